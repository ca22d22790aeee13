"""Calls every method of one of Cinder's own RPC APIs: drive.py URL scheduler|volume|backup CAP...

A CAP is the version of the oldest service. Each method is called once for each CAP. The program
prints a line for each call, with the request that has to arrive and what the API returned. The last
line has the API's version and methods.
"""

import inspect
import json
import sys
import tempfile
from unittest import mock

from cinder import context, objects, rpc
from oslo_config import cfg
from oslo_utils import versionutils

objects.register_all()

from cinder.backup import rpcapi as backup_rpcapi  # noqa: E402
from cinder.objects import base  # noqa: E402
from cinder.scheduler import rpcapi as scheduler_rpcapi  # noqa: E402
from cinder.volume import rpcapi as volume_rpcapi  # noqa: E402

import backup_calls  # noqa: E402
import scheduler_calls  # noqa: E402
import volume_calls  # noqa: E402

APIS = {
    "scheduler": (scheduler_rpcapi.SchedulerAPI, scheduler_calls.calls),
    "volume": (volume_rpcapi.VolumeAPI, volume_calls.calls),
    "backup": (backup_rpcapi.BackupAPI, backup_calls.calls),
}
# A public function that makes no call.
NO_CALLS = {"prepare_timestamp"}


def configure(url):
    """Reads a configuration file, as a service would."""
    lines = ["[DEFAULT]", f"transport_url = {url}", "control_exchange = cinder", "rpc_response_timeout = 20"]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        print(*lines, sep="\n", file=file, flush=True)
        cfg.CONF([], project="cinder", version="test", default_config_files=[file.name])
    rpc.init(cfg.CONF)


def pin(api, cap):
    """Sets the version of the oldest service, which a service would read from the database."""
    versions = base.OBJ_VERSIONS.versions
    rpc.LAST_RPC_VERSIONS[api.BINARY] = cap
    # The API stores cleanups in the form that the volume services know.
    for binary in (api.BINARY, "cinder-volume"):
        rpc.LAST_OBJ_VERSIONS[binary] = versions[-1] if cap == api.RPC_API_VERSION else versions[0]


def kind(value):
    """Returns the name of a value's type, and for a list the types of its items."""
    if isinstance(value, (list, tuple)):
        return f"list of {' and '.join(dict.fromkeys(map(kind, value))) or 'nothing'}"
    return type(value).__name__


def run(api, cap, call, serializer):
    ctxt = context.RequestContext(user_id="alice", project_id="héron", is_admin=False, roles=["member"],
                                  auth_token="secret", request_id=f"{cap} {call.label}")

    def serialize(value):
        return serializer.serialize_entity(ctxt, value)

    line = {"cap": cap, "step": call.label, "call": call.name}
    if call.sent is not None:
        line["sent"] = call.arrival(serialize)
    try:
        result = getattr(api, call.name)(ctxt, **call.given)
        line["answer"] = {"kind": kind(result), "value": serialize(result)}
    except Exception as error:
        # The traceback of a remote error follows its text.
        text, _, _ = str(error).partition("\n")
        line["error"] = {"class": type(error).__name__, "text": text}
    print(json.dumps(line), flush=True)


def methods(api):
    """Returns the names of an API's public methods."""
    own = [name for name, value in vars(api).items() if inspect.isfunction(value)]
    return sorted(name for name in own if not name.startswith("_") and name not in NO_CALLS)


def run_all(cls, calls, cap):
    """Makes every call with the given cap."""
    pin(cls, cap)
    api, serializer = cls(), base.CinderObjectSerializer(rpc.LAST_OBJ_VERSIONS[cls.BINARY])

    def can(version):
        return versionutils.is_compatible(version, cap)

    for call in calls(can):
        run(api, cap, call, serializer)


def main():
    url, name, *caps = sys.argv[1:]
    cls, calls = APIS[name]
    configure(url)
    # Before some calls the API writes to the table of cleanups, but there is no database.
    with mock.patch("cinder.db.api.worker_create") as worker_create:
        for cap in caps:
            run_all(cls, calls, cap)
    end = {"newest": cls.RPC_API_VERSION, "methods": methods(cls), "workers": worker_create.call_count}
    print(json.dumps({"end": end}), flush=True)
    rpc.cleanup()


main()
