"""Notifiers and listeners of the original library: notifications.py URL TOPIC.

If URL is `-`, the URL comes from the file PEER_CONFIG. Reads one JSON object a line, and answers each
with one:

- {"op": "emit", "driver": …, "priority": …, "event_type": …, "payload": …, "context": …,
  "publisher_id": …, "topics": […]} emits a notification.
- {"op": "typed", "driver": …} emits values of Python's own types.
- {"op": "listen", "priorities": […], "pool": …, "refuse": n} starts a listener that requeues the
  first n notifications.
- {"op": "batches", "size": n} starts a listener that receives batches.
- {"op": "heard"} returns the notifications that listeners have received, in order.
"""

import datetime
import decimal
import json
import os
import sys
import threading
import uuid

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_context import context


class Endpoint:
    """Records notifications, after requeueing the first `refuse` of them."""

    def __init__(self, priorities, refuse, heard):
        self.refuse = refuse
        self.lock = threading.Lock()
        for priority in priorities:
            setattr(self, priority, self.note(priority, heard))

    def note(self, priority, heard):
        def endpoint(ctxt, publisher_id, event_type, payload, metadata):
            with self.lock:
                if self.refuse:
                    self.refuse -= 1
                    return messaging.NotificationResult.REQUEUE
                ctxt = {key: value for key, value in ctxt.items() if key != "client_timeout"}
                heard.append([priority, publisher_id, event_type, payload, metadata, ctxt])
            return messaging.NotificationResult.HANDLED

        return endpoint


class Batches:
    """Records batches."""

    def __init__(self, heard):
        self.heard = heard

    def info(self, messages):
        self.heard.append([message["payload"] for message in messages])


def main():
    url, topic = sys.argv[1:]
    conf = cfg.CONF
    conf(["--config-file", os.environ["PEER_CONFIG"]], project="peer")
    transport = messaging.get_notification_transport(conf, url=None if url == "-" else url)
    heard, running = [], []

    def emit(command, payload):
        notifier = messaging.Notifier(
            transport,
            publisher_id=command.get("publisher_id", "python.host"),
            driver=command["driver"],
            topics=command.get("topics", [topic]),
        )
        ctxt = context.RequestContext(**command["context"]) if "context" in command else {}
        getattr(notifier, command.get("priority", "info"))(ctxt, command.get("event_type", "e.t"), payload)

    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        operation, answer = command["op"], "done"
        if operation == "emit":
            emit(command, command["payload"])
        elif operation == "typed":
            at = datetime.datetime(2026, 11, 20, 17, 5, 6, 789012)
            emit(command, {"dt": at, "uuid": uuid.UUID(int=7), "dec": decimal.Decimal("1.5")})
        elif operation == "listen":
            endpoint = Endpoint(command["priorities"], command.get("refuse", 0), heard)
            listener = messaging.get_notification_listener(
                transport,
                [messaging.Target(topic=name) for name in command.get("topics", [topic])],
                [endpoint],
                executor="threading",
                allow_requeue=True,
                pool=command.get("pool"),
            )
            listener.start()
            running.append(listener)
        elif operation == "batches":
            listener = messaging.get_batch_notification_listener(
                transport,
                [messaging.Target(topic=topic)],
                [Batches(heard)],
                executor="threading",
                batch_size=command["size"],
                batch_timeout=1,
            )
            listener.start()
            running.append(listener)
        elif operation == "heard":
            answer = list(heard)
        print(json.dumps({"answer": answer}), flush=True)


main()
