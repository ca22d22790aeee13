"""A driver for oslo.messaging that records what clients send, and answers immediately."""

import copy
import json

from oslo_messaging import transport
from oslo_messaging._drivers import base
from oslo_serialization import jsonutils


class Wire(base.BaseDriver):
    """Replaces the RabbitMQ driver. All code above it is the original's."""

    def __init__(self, conf):
        super().__init__(conf, url=None)
        self.sent = []
        # The answers to calls, by method. Other calls get null.
        self.replies = {}

    def transport(self):
        return transport.RPCTransport(self)

    def take(self):
        """Returns what was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def send(self, target, ctxt, message, wait_for_reply=None, timeout=None, call_monitor_timeout=None, retry=None,
             transport_options=None):
        self.sent.append({
            "kind": "call" if wait_for_reply else "cast",
            "method": message["method"],
            "args": plain(message["args"]),
            "version": message.get("version"),
            "namespace": message.get("namespace"),
            "exchange": target.exchange,
            "topic": target.topic,
            "server": target.server,
            "fanout": bool(target.fanout),
            "timeout": timeout,
            "monitor": call_monitor_timeout,
        })
        return copy.deepcopy(self.replies.get(message["method"])) if wait_for_reply else None

    def send_notification(self, target, ctxt, message, version, retry=None):
        raise NotImplementedError("clients do not notify")

    def listen(self, target, batch_size, batch_timeout):
        raise NotImplementedError("clients do not listen")

    def listen_for_notifications(self, targets_and_priorities, pool, batch_size, batch_timeout):
        raise NotImplementedError("clients do not listen")

    def cleanup(self):
        pass


def plain(value, default=jsonutils.to_primitive):
    """Returns a value as the receiver reads it, in a stable order."""
    return ordered(json.loads(jsonutils.dumps(value, default=default)))


def ordered(value):
    """Sorts the members of objects, and lists that were sets: the names of changed fields."""
    if isinstance(value, list):
        return [ordered(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = {key: ordered(value[key]) for key in sorted(value)}
    return {key: sorted(item) if key.endswith(".changes") else item for key, item in members.items()}
