"""An RPC client of the original library: client.py URL TOPIC.

If URL is `-`, the URL comes from the file PEER_CONFIG.

Reads one JSON object a line, and answers each with one: {"op": "call" | "cast" | "fanout",
"method": …, "args": {…}, "context": {…}, "server": …, "namespace": …, "version": …, "timeout": …,
"monitor": …, "exmods": […]}. The operation "types" calls with values of Python's own types, "values"
with values that JSON cannot represent.
"""

import datetime
import json
import math
import os
import sys
import uuid

import oslo_messaging as messaging
from oslo_config import cfg


def main():
    url, topic = sys.argv[1:]
    conf = cfg.CONF
    conf(["--config-file", os.environ["PEER_CONFIG"]], project="peer")
    transports = {}

    def client(exmods):
        key = tuple(exmods)
        if key not in transports:
            transport = messaging.get_rpc_transport(conf, url=None if url == "-" else url, allowed_remote_exmods=list(exmods))
            # Release 14.1 added the factory.
            make = getattr(messaging, "get_rpc_client", messaging.RPCClient)
            transports[key] = make(transport, messaging.Target(topic=topic))
        return transports[key]

    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        options = {key: command[key] for key in ("server", "namespace", "version", "timeout") if command.get(key) is not None}
        if "monitor" in command:
            options["call_monitor_timeout"] = command["monitor"]
        if command["op"] == "fanout":
            options["fanout"] = True
        prepared = client(command.get("exmods", [])).prepare(**options)
        send = prepared.cast if command["op"] in ("cast", "fanout") else prepared.call
        args = command.get("args", {})
        values = [math.nan, -math.inf, 2**70, "\ud800", "é", -0.0]
        if command["op"] == "types":
            args = {
                "at": datetime.datetime(2026, 11, 21, 1, 4, 5, 5),
                "id": uuid.UUID(int=0x1234),
                "raw": b"raw",
                "set": {1, 2},
            }
        elif command["op"] == "values":
            args = {"value": values}
        try:
            result = send(command.get("context", {}), command["method"], **args)
            if command["op"] == "values":
                result = "same" if repr(result) == repr(values) else repr(result)
            answer = {"result": result}
        except Exception as error:
            answer = {
                "error": {
                    "class": type(error).__name__,
                    "module": type(error).__module__,
                    "text": str(error),
                    "exc_type": getattr(error, "exc_type", None),
                    "value": getattr(error, "value", None),
                    "kwargs": getattr(error, "kwargs", None),
                }
            }
        print(json.dumps(answer), flush=True)


main()
