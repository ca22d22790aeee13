"""oslo.messaging, as the Rust program has its subjects: `serve oslo URL KIND`, or `load oslo URL`, and then lines."""

import sys
import threading
import time

from oslo_config import cfg
import oslo_messaging as messaging

EXCHANGE = "bench"
TOPIC = "bench-oslo"
FANOUT = 10


class Endpoint:
    target = messaging.Target(version="1.0")

    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def echo(self, ctxt, item):
        self._count()
        return item

    def put(self, ctxt, item):
        self._count()

    def _count(self):
        with self.lock:
            self.count += 1


def transport(url):
    # What traces reads the common one.
    conf = cfg.CONF
    conf([], project="bench")
    messaging.set_transport_defaults(EXCHANGE)
    return conf, messaging.get_rpc_transport(conf, url.replace("amqp://", "rabbit://"))


def serve(url, kind):
    conf, bus = transport(url)
    endpoint = Endpoint()
    servers = []
    for number in range(FANOUT if kind == "fanout" else 1):
        target = messaging.Target(topic=TOPIC, server=f"bench-{number}")
        server = messaging.get_rpc_server(bus, target, [endpoint], executor="threading")
        server.start()
        servers.append(server)
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = int(line.split()[-1])
        until = time.monotonic() + 60
        while endpoint.count < wanted and time.monotonic() < until:
            time.sleep(0.001)
        print(f"count {endpoint.count}", flush=True)


def item(size):
    name = "volume-0001"
    return {"id": 4711, "name": name, "data": "x" * max(0, size - 8 - len(name))}


def load(url):
    conf, bus = transport(url)
    client = messaging.get_rpc_client(bus, messaging.Target(topic=TOPIC, version="1.0"))
    context = {"user_id": "user-1", "project_id": "project-1", "request_id": "req-1"}
    operations = {
        "call": lambda sent: client.call(context, "echo", item=sent),
        "cast": lambda sent: client.cast(context, "put", item=sent),
        "fanout": lambda sent: client.prepare(fanout=True).cast(context, "put", item=sent),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        kind, in_flight, body, seconds = line.split()
        operation, sent, times = operations[kind], item(int(body)), []
        begun = time.monotonic()
        until = begun + float(seconds)

        def work():
            own = []
            while True:
                start = time.monotonic()
                if start >= until:
                    times.extend(own)
                    return
                operation(sent)
                own.append(time.monotonic() - start)

        threads = [threading.Thread(target=work) for _ in range(int(in_flight))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        times.sort()
        p50, p90, p99 = (int(times[len(times) * part // 100] * 1e6) if times else 0 for part in (50, 90, 99))
        print(f"done operations={len(times)} seconds={took:.6f} p50={p50} p90={p90} p99={p99}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[3], sys.argv[4])
    else:
        load(sys.argv[3])
