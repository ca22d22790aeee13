"""Calls of all methods of `cinder.scheduler.rpcapi.SchedulerAPI`."""

from oslo_serialization import jsonutils

import samples
from call import Call

ANY = "cinder-scheduler"
HOST = "cinder-scheduler.sched-2"
FOUND = {"retry": {"num_attempts": 1, "hosts": []}, "limits": None}


def calls(can):
    """Yields the calls. `can` returns whether the cap allows a version."""
    for family in creations, changes, reports, services:
        yield from family(can)


def creations(can):
    spec, found = samples.request_spec(), FOUND
    flat = jsonutils.to_primitive(spec)
    given = {"group": samples.group(), "group_spec": spec, "request_spec_list": [spec, spec],
             "group_filter_properties": found, "filter_properties_list": [found, {}]}
    yield Call("create_group", given, {**given, "group_spec": flat, "request_spec_list": [flat, flat]}, ANY)

    sent = {"volume": samples.volume(), "snapshot_id": samples.uuid(2), "image_id": None, "request_spec": spec,
            "filter_properties": found}
    given = {**sent, "backup_id": samples.uuid(5)}
    yield Call("create_volume", given, given if can("3.10") else sent, ANY)

    given = {"volume": samples.volume(), "snapshot": samples.snapshot(), "backend": samples.HOST,
             "request_spec": spec, "filter_properties": found}
    yield Call("create_snapshot", given, given if can("3.9") else None, ANY)

    given = {"backup": samples.backup()}
    yield Call("create_backup", given, given if can("3.12") else None, ANY)


def changes(can):
    spec = samples.request_spec()
    given = {"volume": samples.volume(), "request_spec": spec, "filter_properties": FOUND}
    sent = {**given, "request_spec": jsonutils.to_primitive(spec)}
    yield Call("retype", given, sent, ANY)
    yield Call("manage_existing", given, sent, ANY)

    more = {"backend": samples.OTHER_HOST, "force_copy": True}
    older = {"host": samples.OTHER_HOST, "force_host_copy": True}
    if can("3.3"):
        yield Call("migrate_volume", given | more, sent | more, ANY)
    else:
        yield Call("migrate_volume", given | more, sent | older, ANY, wire_name="migrate_volume_to_host")

    more = {"snapshot": samples.snapshot(), "ref": {"source-name": "lun 0"}}
    yield Call("manage_existing_snapshot", given | more, sent | more if can("3.11") else None, ANY)

    more = {"new_size": 8, "reservations": [samples.uuid(9)]}
    yield Call("extend_volume", given | more, sent | more if can("3.2") else None, ANY)


def reports(can):
    spec = samples.request_spec()
    given = {"backend": samples.HOST, "request_spec": spec, "filter_properties": FOUND}
    yield Call("validate_host_capacity", given, given if can("3.8") else None, ANY, awaited=True)

    yield Call("get_pools", {"filters": {"name": samples.HOST}}, {"filters": {"name": samples.HOST}}, ANY, awaited=True)
    yield Call("get_pools", {}, {"filters": None}, ANY, awaited=True, variant="without filters")
    nowhere = {"filters": {"name": "nowhere"}}
    yield Call("get_pools", nowhere, nowhere, ANY, awaited=True, variant="that fails")

    capabilities = {"total_capacity_gb": "infinite", "free_capacity_gb": 1.5, "pools": [{"pool_name": "fast"}]}
    sent = {"service_name": "volume", "host": "node-1@ceph", "capabilities": capabilities}
    later = {"cluster_name": "cluster@ceph", "timestamp": samples.NOON}
    written = {**later, "timestamp": "2026-01-02T12:00:00.000250"}
    yield Call("update_service_capabilities", sent | later, sent | written if can("3.3") else sent, ANY, fanout=True)

    sent = {"service_name": "volume", "capabilities": capabilities}
    given = {**sent, "backend": "node-1@ceph", "timestamp": samples.NOON}
    if can("3.5"):
        sent |= {"backend": "node-1@ceph", "timestamp": written["timestamp"]}
    else:
        sent |= {"host": "node-1@ceph"}
    yield Call("notify_service_capabilities", given, sent if can("3.1") else None, ANY)


def services(can):
    given = {"cleanup_request": samples.cleanup_request()}
    yield Call("work_cleanup", given, given if can("3.4") else None, ANY, awaited=True)
    yield Call("do_cleanup", given, given if can("3.4") else None, ANY)

    sent = {"log_request": samples.log_level()}
    given = {"service": samples.service(host="sched-2", binary="cinder-scheduler"), **sent}
    yield Call("set_log_levels", given, sent if can("3.7") else None, HOST)
    yield Call("get_log_levels", given, sent if can("3.7") else None, HOST, awaited=True)
