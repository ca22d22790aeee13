"""Servers with the signatures of one of Cinder's own managers: managers.py URL scheduler|volume|backup TOPIC HOST...

Each request is bound to the signature of the manager's method, as a call of it would be, and noted in place of being
run. Prints `ready` once all servers listen. Then, for a number on its standard input, it waits until so many requests
have come, and prints them all. It ends with its input.
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
# How long requests may be on their way, in seconds.
PATIENCE = 20


class Noted:
    """The requests that have come."""

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
    """Has a manager's methods, but for what they do."""

    def __init__(self, manager, topic, host, noted):
        self.target = manager.target
        self._manager, self._place, self._noted = manager, {"topic": topic, "host": host}, noted

    def __getattr__(self, name):
        method = getattr(self._manager, name)

        def note(ctxt, **args):
            request = {"id": ctxt.request_id, "user": ctxt.user_id, "method": name, "at": self._place}
            try:
                # The first one stands for the manager.
                inspect.signature(method).bind(None, ctxt, **args)
            except TypeError as error:
                self._noted.add({**request, "refused": str(error)})
                raise
            self._noted.add({**request, "args": SERIALIZER.serialize_entity(ctxt, args)})
            return managers_replies.reply(name, args)

        return note


def configure(url):
    """Reads a configuration file, as a service does."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        print("[DEFAULT]", f"transport_url = {url}", sep="\n", file=file, flush=True)
        cfg.CONF([], project="cinder", version="test", default_config_files=[file.name])
    rpc.init(cfg.CONF)


def main():
    url, name, *places = sys.argv[1:]
    # What is refused is noted, and told with everything else.
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
