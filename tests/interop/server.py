"""An RPC server of the original library: server.py URL TOPIC HOST.

If URL is `-`, the URL comes from the file PEER_CONFIG. The server prints `ready` once it consumes, and
stops at the end of its standard input.
"""

import datetime
import functools
import ipaddress
import os
import sys
import threading
import time
import uuid

import oslo_messaging as messaging
from oslo_config import cfg

import peer_errors


def decorated(method):
    @functools.wraps(method)
    def wrapper(*args, **kwargs):
        return method(*args, **kwargs)

    return wrapper


class Endpoint:
    target = messaging.Target(version="1.5")

    def __init__(self, host, client):
        self._host = host
        self._client = client
        self._recorded = []
        self._lock = threading.Lock()

    def echo(self, ctxt, value):
        return value

    def add(self, ctxt, a, b):
        return a + b

    def nothing(self, ctxt):
        return None

    def context(self, ctxt):
        return ctxt

    def host(self, ctxt):
        return self._host

    def fail(self, ctxt, kind):
        if kind == "value":
            raise ValueError("bad value", 3)
        if kind == "key":
            raise KeyError("k")
        raise peer_errors.NotFound(name="vm-1")

    def wrong_inside(self, ctxt):
        return self.add(ctxt)

    @decorated
    def wrapped(self, ctxt, a):
        return a

    @messaging.expected_exceptions(ValueError)
    def expected(self, ctxt, a):
        return a

    def nested(self, ctxt, method):
        self._client.call({}, method)

    def quoted(self, ctxt, method):
        try:
            self._client.call({}, method)
        except Exception as error:
            raise TypeError(str(error))

    def slow(self, ctxt, seconds):
        time.sleep(seconds)
        return "slept"

    def types(self, ctxt):
        return {
            "datetime": datetime.datetime(2026, 11, 21, 1, 4, 5, 5),
            "uuid": uuid.UUID(int=0x1234),
            "bytes": b"raw",
            "ip": ipaddress.ip_address("10.0.0.1"),
            "set": {1, 2},
            "big": 2**70,
            "nan": float("nan"),
        }

    def record(self, ctxt, value):
        with self._lock:
            self._recorded.append(value)

    def recorded(self, ctxt):
        with self._lock:
            return list(self._recorded)


class Control:
    target = messaging.Target(namespace="control", version="2.1")

    def ping(self, ctxt):
        return "pong"


def main():
    url, topic, host = sys.argv[1:]
    conf = cfg.CONF
    conf(["--config-file", os.environ["PEER_CONFIG"]], project="peer")
    transport = messaging.get_rpc_transport(conf, url=None if url == "-" else url)
    target = messaging.Target(topic=topic, server=host)
    # Exceptions of another server's dispatcher keep their class.
    modules = ["oslo_messaging.rpc.dispatcher"]
    calling = messaging.get_rpc_transport(conf, url=None if url == "-" else url, allowed_remote_exmods=modules)
    # Release 14.1 added the factory.
    make = getattr(messaging, "get_rpc_client", messaging.RPCClient)
    client = make(calling, messaging.Target(topic=topic, server=host, version="1.5"))
    server = messaging.get_rpc_server(transport, target, [Endpoint(host, client), Control()], executor="threading")
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop()
    server.wait()
    calling.cleanup()
    transport.cleanup()


main()
