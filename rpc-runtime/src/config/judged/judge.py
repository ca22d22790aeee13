"""Reads configurations with oslo.messaging itself, and answers what they mean to it.

A line in, a line out, both JSON. In: `files` (texts, later ones win), `env` (variables), and
`services` (options that a service registers: group, name), and `url`, which stands in for the URL of the files. Out: `syntax` (why the files are
refused, or null), `default` and `notifications` (options and values), and two transports, `rpc`
and `notify`. Nothing connects: the driver is stopped in front of the socket.
"""

import json
import logging
import os
import random
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import oslo_messaging
from kombu.connection import Connection as Kombu
from oslo_config import cfg
from oslo_messaging import opts
from oslo_messaging._drivers import amqp, common, impl_rabbit
from oslo_messaging.notify import _impl_routing, notifier

RABBIT, NOTIFICATIONS = "oslo_messaging_rabbit", "oslo_messaging_notifications"
GROUPS = dict(opts.list_opts())
OWN = {
    None: [opt for given in opts._global_opt_lists for opt in given],
    RABBIT: impl_rabbit.rabbit_opts + amqp.amqp_opts,
    NOTIFICATIONS: notifier._notifier_opts + [_impl_routing.router_config],
}

# The order of hosts is the URL's, and a connection is described instead of opened.
random.shuffle = lambda hosts: None
impl_rabbit.Connection.ensure_connection = lambda self: None


def attempt(read):
    try:
        return {"value": read()}
    except RecursionError:
        return {"refused": "RecursionError"}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}


def is_set(conf, name, group):
    """Whether a file or a variable gives the option, rather than its default."""
    try:
        location = conf.get_location(name, group)
    except Exception:
        return True
    return location is not None and location.location.is_user_controlled


def register(conf, services):
    """Registers the library's own objects, which remember that they warned: that is undone."""
    for given in OWN.values():
        for opt in given:
            opt._logged_deprecation = False
    conf.register_group(cfg.OptGroup(name=RABBIT, title="RabbitMQ driver options"))
    for group, given in OWN.items():
        conf.register_opts(given, group=group)
    for group, name in services:
        try:
            conf.register_opt(cfg.StrOpt(name), group=None if group == "DEFAULT" else group)
        except cfg.DuplicateOptError:
            pass


def brokers(connection, options):
    """Describes each host as the library below the driver reads it."""
    urls = connection._url.split(";")
    hosts, virtual_hosts = [], set()
    for url in urls:
        info = Kombu(url, ssl=connection._fetch_ssl_params()).info()
        hosts.append([info["hostname"], info["port"], info["userid"], info["password"]])
        virtual_hosts.add(info["virtual_host"])
    (virtual_host,) = virtual_hosts
    return {"hosts": hosts, "virtual_host": virtual_host, "options": options}


def described(get, conf, url):
    made = get(conf, url)
    driver = made._driver
    if not isinstance(driver, impl_rabbit.RabbitDriver):
        return {"driver": type(driver).__name__}
    group, query = driver.conf.oslo_messaging_rabbit, driver._url.query
    options = {}
    for opt in GROUPS[RABBIT]:
        given = opt.name in query or is_set(conf, opt.name, RABBIT)
        options[opt.name] = {"value": getattr(group, opt.name), "set": given}
    connection = impl_rabbit.Connection(driver.conf, driver._url, common.PURPOSE_LISTEN)
    return brokers(connection, options) | {"parsed": parsed(driver._url)}


def parsed(url):
    hosts = [[h.hostname, h.port, h.username, h.password] for h in url.hosts]
    return {"hosts": hosts, "virtual_host": url.virtual_host, "query": url.query}


def judged(case):
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    os.environ.update(case.get("env", {}))
    conf = cfg.ConfigOpts()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for at, text in enumerate(case.get("files", [])):
            paths.append(os.path.join(folder, f"{at}.conf"))
            with open(paths[-1], "w", encoding="utf-8", newline="") as file:
                file.write(text)
        read = attempt(lambda: conf([], project="judged", default_config_files=paths))
    if "refused" in read:
        return {"syntax": read["refused"]}
    register(conf, case.get("services", []))
    url = case.get("url")

    def options(names, group):
        source = conf if group is None else conf[group]
        return {
            name: attempt(lambda: getattr(source, name)) | {"set": is_set(conf, name, group)}
            for name in names
        }

    return {
        "syntax": None,
        "default": options([opt.name for opt in GROUPS[None]], None),
        "notifications": options(["driver", "topics", "retry", "routing_config"], NOTIFICATIONS),
        "rpc": attempt(lambda: described(oslo_messaging.get_rpc_transport, conf, url)),
        "notify": attempt(
            lambda: described(oslo_messaging.get_notification_transport, conf, None)
        ),
    }


def names():
    """Lists what the library registers."""
    listed = {group or "DEFAULT": [opt.name for opt in given] for group, given in GROUPS.items()}
    listed[NOTIFICATIONS].append(_impl_routing.router_config.name)
    return listed


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(names() if asked == "names" else judged(asked), default=str), flush=True)
