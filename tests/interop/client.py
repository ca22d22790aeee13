"""An RPC client of the original library: client.py URL TOPIC.

Reads one JSON object a line and answers each with one: {"op": "call" | "cast" | "fanout", "method": …, "args": {…},
"context": {…}, "server": …, "namespace": …, "version": …, "timeout": …, "exmods": […]}.
"""

import json
import sys

import oslo_messaging as messaging
from oslo_config import cfg


def main():
    url, topic = sys.argv[1:]
    conf = cfg.CONF
    conf([], project="peer")
    transports = {}

    def client(exmods):
        key = tuple(exmods)
        if key not in transports:
            transport = messaging.get_rpc_transport(conf, url=url, allowed_remote_exmods=list(exmods))
            transports[key] = messaging.get_rpc_client(transport, messaging.Target(topic=topic))
        return transports[key]

    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        options = {key: command[key] for key in ("server", "namespace", "version", "timeout") if command.get(key) is not None}
        if command["op"] == "fanout":
            options["fanout"] = True
        prepared = client(command.get("exmods", [])).prepare(**options)
        send = prepared.call if command["op"] == "call" else prepared.cast
        try:
            answer = {"result": send(command.get("context", {}), command["method"], **command.get("args", {}))}
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
