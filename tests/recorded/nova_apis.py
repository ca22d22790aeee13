"""Nova's APIs, without its database."""

import itertools
from importlib import metadata

import nova.conf
from nova import baserpc, context, objects, rpc
from oslo_utils import timeutils

objects.register_all()

from nova.compute import rpcapi as compute_rpcapi  # noqa: E402
from nova.conductor import rpcapi as conductor_rpcapi  # noqa: E402
from nova.scheduler import rpcapi as scheduler_rpcapi  # noqa: E402

import capture  # noqa: E402
import nova_compute_hosts  # noqa: E402
import nova_compute_instances  # noqa: E402
import nova_compute_moves  # noqa: E402
import nova_conductor  # noqa: E402
import nova_objects  # noqa: E402
import nova_scheduler  # noqa: E402
from recording import CAP, Api  # noqa: E402

CONF = nova.conf.CONF
PACKAGE = f"nova {metadata.version('nova')}"
NOTES = (
    "No exchange is named here: it is that of the option control_exchange, which Nova sets to nova.",
    "Timeouts are those of the options rpc_response_timeout (60) and long_rpc_timeout (1800), as they are by default.",
    f"In the text of an error, {CAP} stands for the cap.",
)


def wire():
    """Returns the clients' driver, and sets what a service would set on its start."""
    CONF([], project="nova", version="test", default_config_files=[])
    made = capture.Wire(CONF)
    rpc.TRANSPORT = made.transport()
    timeutils.set_time_override(nova_objects.NOON.replace(tzinfo=None))
    return made


def apis():
    yield "compute", api(
        compute_rpcapi.ComputeAPI, minors(5, 13) + minors(6, 5), compute_steps, too_old="4.17", make=compute,
        client=lambda made: made.router.default_client, helpers=("get_client", "prepare_for_alt_rpcserver"),
        notes=("Under a cap below 5.0 nothing is sent: 4.17, the version of pike, was tried.",),
    )
    yield "compute-task", api(
        conductor_rpcapi.ComputeTaskAPI, minors(1, 26), nova_conductor.task_steps, make=compute_task,
        notes=("Nova gives this client no cap, so that it always sends the newest form. Here it was given one.",),
    )
    yield "conductor", api(
        conductor_rpcapi.ConductorAPI, ["2.0", "2.1", "3.0"], nova_conductor.object_steps,
        make=pinned("conductor", conductor_rpcapi.ConductorAPI),
        notes=("Under a cap below 3.0 nothing is sent. The older ones here are those of juno and kilo.",),
    )
    yield "scheduler", api(
        scheduler_rpcapi.SchedulerAPI, minors(4, 5), nova_scheduler.steps, too_old="3.0",
        make=pinned("scheduler", scheduler_rpcapi.SchedulerAPI),
        notes=("Under a cap below 4.0 nothing is sent: 3.0, the version of juno, was tried.",),
    )
    yield "base", api(
        baserpc.BaseAPI, minors(1, 1), nova_scheduler.base_steps,
        make=pinned("baseapi", lambda: baserpc.BaseAPI("compute")),
        notes=("Every service has this API at its own topic; the client was made for that of compute.",),
    )


def api(cls, caps, steps, *, notes, **more):
    ctxt = context.RequestContext("alice", "héron", is_admin=False)
    return Api(cls, PACKAGE, caps[-1], caps, steps=steps, context=ctxt, notes=(*NOTES, *notes), **more)


def minors(major, last):
    return [f"{major}.{number}" for number in range(last + 1)]


def compute_steps():
    return itertools.chain(nova_compute_instances.steps(), nova_compute_moves.steps(), nova_compute_hosts.steps())


def compute(cap):
    CONF.set_override("compute", cap, "upgrade_levels")
    compute_rpcapi.reset_globals()
    return compute_rpcapi.ComputeAPI()


def compute_task(cap):
    made = conductor_rpcapi.ComputeTaskAPI()
    made.client.version_cap = cap
    return made


def pinned(option, make):
    """Returns a function that makes a client with a cap from the configuration."""
    def made(cap):
        CONF.set_override(option, cap, "upgrade_levels")
        return make()

    return made
