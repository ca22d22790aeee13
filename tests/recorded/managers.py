"""Servers with a Cinder manager's signatures: managers.py URL scheduler|volume|backup TOPIC HOST...

Each request is bound to the signature of the manager's method, as a call would be, and recorded
instead of being run. The program prints `ready` once all servers consume. For each number on standard
input, it waits until that many requests have arrived, and prints all of them. It exits at the end of
its input.
"""

import importlib
import inspect
import json
import logging
import pathlib
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "cinder"))

import oslo_messaging as messaging  # noqa: E402
from cinder import objects, rpc  # noqa: E402
from oslo_config import cfg  # noqa: E402

objects.register_all()

from cinder.objects import base  # noqa: E402

import managers_replies  # noqa: E402

MANAGERS = {"scheduler": "SchedulerManager", "volume": "VolumeManager", "backup": "BackupManager"}
SERIALIZER = base.CinderObjectSerializer()
# How long to wait for requests, in seconds.
PATIENCE = 20


class Noted:
    """The requests that have arrived."""

    def __init__(self):
        self._requests = []
        self._changed = threading.Condition()

    def add(self, request):
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def wait(self, count):
        with self._changed:
            self._changed.wait_for(lambda: len(self._requests) >= count, PATIENCE)
            return list(self._requests)


class Endpoint:
    """Has the signatures of a manager's methods, without their behaviour."""

    def __init__(self, manager, topic, host, noted):
        self.target = manager.target
        self._manager, self._place, self._noted = manager, {"topic": topic, "host": host}, noted

    def __getattr__(self, name):
        method = getattr(self._manager, name)

        def note(ctxt, **args):
            request = {"id": ctxt.request_id, "user": ctxt.user_id, "method": name, "at": self._place}
            try:
                # The first argument is the manager itself.
                inspect.signature(method).bind(None, ctxt, **args)
            except TypeError as error:
                self._noted.add({**request, "refused": str(error)})
                raise
            self._noted.add({**request, "args": SERIALIZER.serialize_entity(ctxt, args)})
            return managers_replies.reply(name, args)

        return note


def configure(url):
    """Reads a configuration file, as a service would."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        print("[DEFAULT]", f"transport_url = {url}", sep="\n", file=file, flush=True)
        cfg.CONF([], project="cinder", version="test", default_config_files=[file.name])
    rpc.init(cfg.CONF)


def main():
    url, name, *places = sys.argv[1:]
    # Refused requests are recorded and printed like all others.
    logging.disable()
    configure(url)
    manager = getattr(importlib.import_module(f"cinder.{name}.manager"), MANAGERS[name])
    noted, servers = Noted(), []
    for topic, host in zip(places[::2], places[1::2]):
        target = messaging.Target(topic=topic, server=host)
        server = rpc.get_server(target, endpoints=[Endpoint(manager, topic, host, noted)], serializer=SERIALIZER)
        server.start()
        servers.append(server)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(noted.wait(int(line))), flush=True)
    for server in servers:
        server.stop()
        server.wait()
    rpc.cleanup()


main()
