"""Cinder's three APIs, without its database."""

import datetime
from importlib import metadata
from unittest import mock

from cinder import context, objects, rpc
from oslo_config import cfg
from oslo_serialization import jsonutils
from oslo_utils import timeutils

objects.register_all()

from cinder.backup import rpcapi as backup_rpcapi  # noqa: E402
from cinder.objects import base  # noqa: E402
from cinder.scheduler import host_manager  # noqa: E402
from cinder.scheduler import rpcapi as scheduler_rpcapi  # noqa: E402
from cinder.volume import rpcapi as volume_rpcapi  # noqa: E402

import capture  # noqa: E402
import cinder_backup  # noqa: E402
import cinder_scheduler  # noqa: E402
import cinder_volume  # noqa: E402
import samples  # noqa: E402
from recording import CAP, Api  # noqa: E402

PACKAGE = f"cinder {metadata.version('cinder')}"
# The clients' clock, which differs from times that callers pass.
NOW = samples.NOON.replace(tzinfo=None) + datetime.timedelta(hours=1)
NOTES = (
    "No exchange is named here: it is that of the option control_exchange, which Cinder leaves at openstack.",
    "The objects are of the newest versions under every cap: versions of objects have a limit of their own.",
    "Where a call notes in the database what is to be cleaned up, that is left out.",
    f"What the clients stamp themselves is {NOW.isoformat()}.",
    f"In the text of an error, {CAP} stands for the cap.",
    "A client is always capped: without any service there is, by the API's own version.",
)


def wire():
    """Returns the clients' driver, and sets what a service would set on its start."""
    cfg.CONF([], project="cinder", version="test", default_config_files=[])
    made = capture.Wire(cfg.CONF)
    rpc.TRANSPORT = made.transport()
    timeutils.set_time_override(NOW)
    mock.patch("cinder.db.api.worker_create").start()
    return made


def apis():
    yield "scheduler", api(scheduler_rpcapi.SchedulerAPI, cinder_scheduler.steps, helpers=("prepare_timestamp",))
    yield "volume", api(volume_rpcapi.VolumeAPI, cinder_volume.steps, default=backend,
                        replies={"get_backup_device": cinder_volume.DEVICE})
    yield "backup", api(backup_rpcapi.BackupAPI, cinder_backup.steps)


def api(cls, steps, **more):
    """Describes an API. The caps are all minors of its newest major."""
    major, minor = map(int, cls.RPC_API_VERSION.split("."))
    too_old = f"{major - 1}.99"
    notes = (*NOTES, f"Under a cap below {major}.0 nothing is sent: {too_old} was tried.")
    ctxt = context.RequestContext(user_id="alice", project_id="héron", is_admin=False)
    return Api(cls, PACKAGE, cls.RPC_API_VERSION, [f"{major}.{number}" for number in range(minor + 1)],
               lambda cap: capped(cls, cap), steps, ctxt, too_old=too_old, notes=notes, **more)


def capped(cls, cap):
    """Returns a client for which the oldest service has version `cap`."""
    rpc.LAST_RPC_VERSIONS[cls.BINARY] = cap
    for binary in (cls.BINARY, "cinder-volume", "cinder-backup"):
        rpc.LAST_OBJ_VERSIONS[binary] = base.OBJ_VERSIONS.get_current()
    return cls()


def backend(value):
    """Returns the parts of the scheduler's back-end state that the API reads."""
    if isinstance(value, host_manager.BackendState):
        return {"host": value.host, "cluster_name": value.cluster_name, "capabilities": value.capabilities}
    return jsonutils.to_primitive(value)
