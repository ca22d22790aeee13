"""Calls of `cinder.scheduler.rpcapi.SchedulerAPI`."""

from cinder import objects

import samples
from cinder_objects import FOUND, OTHER_POOL, POOL, backup, group, request_spec, snapshot, volume
from recording import broken, step


def steps():
    for family in creations, changes, existing, reports, services:
        yield from family()


def creations():
    spec = samples.request_spec()
    yield step("create_group", group=group(), group_spec=request_spec(), request_spec_list=[request_spec()],
               group_filter_properties=FOUND, filter_properties_list=[FOUND, {}])
    yield step("create_group", "of nothing", group=group(), group_spec=None, request_spec_list=[])
    # The specifications default to null, over which the client cannot iterate.
    yield broken("create_group", "without specifications", group=group())

    yield step("create_volume", volume=samples.volume(), snapshot_id=samples.uuid(2), image_id=samples.uuid(30),
               request_spec=spec, filter_properties=FOUND, backup_id=samples.uuid(5))
    yield step("create_volume", "only it", volume=volume())
    yield step("create_volume", "a dictionary", volume=volume(), request_spec={"volume_id": samples.uuid(1)})

    given = {"volume": volume(), "snapshot": snapshot(), "backend": POOL}
    yield step("create_snapshot", **given, request_spec=spec, filter_properties=FOUND)
    yield step("create_snapshot", "only it", **given)
    yield step("create_backup", backup=backup(None))


def changes():
    given = {"volume": volume(), "backend": OTHER_POOL}
    yield step("migrate_volume", **given, force_copy=True, request_spec=samples.request_spec(),
               filter_properties=FOUND)
    yield step("migrate_volume", "only it", **given)

    yield step("retype", volume=volume(), request_spec=samples.request_spec(), filter_properties=FOUND)
    yield step("retype", "only it", volume=volume())
    spec = {"volume_id": samples.uuid(1), "quota_reservations": [samples.uuid(9)]}
    yield step("retype", "a dictionary", volume=volume(), request_spec=spec, filter_properties={})

    given = {"volume": volume(), "new_size": 8, "reservations": [samples.uuid(9)]}
    yield step("extend_volume", **given, request_spec=request_spec(), filter_properties=FOUND)
    yield step("extend_volume", "without properties", **given, request_spec=None)


def existing():
    yield step("manage_existing", volume=volume(), request_spec=request_spec(), filter_properties=FOUND)
    yield step("manage_existing", "only it", volume=volume())
    given = {"volume": volume(), "snapshot": snapshot(), "ref": {"source-name": "lun 0"}}
    yield step("manage_existing_snapshot", **given, request_spec=request_spec(), filter_properties=FOUND)
    yield step("manage_existing_snapshot", "only it", **given)


def reports():
    given = {"backend": POOL, "request_spec": request_spec()}
    yield step("validate_host_capacity", **given, filter_properties=FOUND)
    yield step("validate_host_capacity", "without properties", **given)
    yield step("get_pools", filters={"name": POOL})
    yield step("get_pools", "all")

    capabilities = {"total_capacity_gb": "infinite", "free_capacity_gb": 1.5, "pools": [{"pool_name": "fast"}]}
    given = {"service_name": "volume", "host": "node-1@ceph", "capabilities": capabilities}
    yield step("update_service_capabilities", **given, cluster_name="cluster-a@ceph", timestamp=samples.NOON)
    yield step("update_service_capabilities", "now", **given, cluster_name=None)
    given = {"service_name": "volume", "backend": "node-1@ceph", "capabilities": capabilities}
    yield step("notify_service_capabilities", **given, timestamp=samples.NOON)
    yield step("notify_service_capabilities", "now", **given)


def services():
    yield step("work_cleanup", cleanup_request=samples.cleanup_request())
    yield step("work_cleanup", "of everything", cleanup_request=objects.CleanupRequest())
    yield step("do_cleanup", cleanup_request=samples.cleanup_request())
    given = {"service": samples.service("sched-2", "cinder-scheduler"), "log_request": samples.log_level()}
    yield step("set_log_levels", **given)
    yield step("get_log_levels", **given)
