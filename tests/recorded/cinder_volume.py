"""Calls of `cinder.volume.rpcapi.VolumeAPI`."""

from cinder.scheduler import host_manager

import samples
from cinder_objects import (
    BACKEND, CLUSTER, FOUND, OTHER_POOL, POOL, backup, group, group_snapshot, snapshot, volume,
)
from recording import step

CONNECTOR = {"host": "compute-1", "ip": "192.0.2.7", "multipath": False, "wwpns": ["50014380242b9751"]}
IMAGE = {"id": samples.uuid(30), "container_format": "bare", "size": 2**40}
# The answer of a server without the object class.
DEVICE = {"backup_device": volume().obj_to_primitive(), "secure_enabled": True, "is_snapshot": False}


def steps():
    for family in (addresses, volumes, images, moves, connections, snapshots, snapshot_connections, groups, replication,
                   backups, backends, reports, services):
        yield from family()


def addresses():
    """Yields steps with volumes on hosts, in pools and in clusters."""
    for variant, host, cluster_name in (
        ("at a back end", BACKEND, None),
        ("in a pool", POOL, None),
        ("at a host", "node-1", None),
        ("at a host with dots", "node-1.example.org@ceph", None),
        ("in a cluster", BACKEND, CLUSTER),
        ("in a pool of a cluster", POOL, f"{CLUSTER}#fast"),
        ("nowhere yet", None, None),
    ):
        yield step("initialize_connection", variant, volume=volume(1, host, cluster_name), connector={})
    yield step("delete_snapshot", "in a cluster", snapshot=snapshot(host=BACKEND, cluster_name=CLUSTER))
    yield step("delete_group", "in a cluster", group=group(3, BACKEND, CLUSTER))
    taken = group_snapshot(host=BACKEND, cluster_name=CLUSTER)
    yield step("delete_group_snapshot", "in a cluster", group_snapshot=taken)
    yield step("freeze_host", "in a cluster", service=samples.service(cluster_name=CLUSTER))


def volumes():
    spec = samples.request_spec()
    yield step("create_volume", volume=samples.volume(), request_spec=spec, filter_properties=FOUND)
    yield step("create_volume", "for good", volume=volume(), request_spec=None, filter_properties=None,
               allow_reschedule=False)
    yield step("delete_volume", volume=volume())
    yield step("delete_volume", "with its snapshots", volume=volume(), unmanage_only=False, cascade=True)
    yield step("delete_volume", "not its data", volume=volume(), unmanage_only=True)
    yield step("manage_existing", volume=volume(), ref={"source-name": "lun 0"})
    given = {"volume": volume(), "new_size": 8}
    yield step("extend_volume", **given, reservations=[samples.uuid(9)])
    yield step("extend_volume", "without reservations", **given, reservations=None)
    yield step("extend_volume_completion", **given, reservations=[samples.uuid(9)], error=False)
    yield step("extend_volume_completion", "failed", **given, reservations=None, error=True)
    given = {"volume": volume(), "new_user": "bob", "new_project": "projet"}
    yield step("accept_transfer", **given, no_snapshots=True)
    yield step("accept_transfer", "with snapshots", **given)
    yield step("secure_file_operations_enabled", volume=volume())


def images():
    yield step("copy_volume_to_image", volume=volume(), image_meta=IMAGE)
    yield step("reimage", volume=volume(), image_meta=IMAGE, image_snap=samples.uuid(31))
    yield step("reimage", "no snapshot of it", volume=volume(), image_meta=IMAGE)


def moves():
    backend = host_manager.BackendState(OTHER_POOL, CLUSTER, {"free_capacity_gb": 1.5})
    alone = host_manager.BackendState(OTHER_POOL, None, None)
    yield step("migrate_volume", volume=volume(), dest_backend=backend, force_host_copy=True)
    yield step("migrate_volume", "to no cluster", volume=volume(), dest_backend=alone, force_host_copy=False)
    given = {"volume": volume(), "new_type_id": samples.uuid(22)}
    yield step("retype", **given, dest_backend=backend, migration_policy="on-demand", reservations=[samples.uuid(9)],
               old_reservations=[samples.uuid(10)])
    yield step("retype", "without reservations", **given, dest_backend=alone)
    given = {"volume": volume(), "new_volume": volume(11, OTHER_POOL)}
    yield step("migrate_volume_completion", **given, error=False)
    yield step("migrate_volume_completion", "failed", **given, error=True)
    yield step("update_migrated_volume", **given, original_volume_status="in-use")


def connections():
    given = {"volume": volume(), "mountpoint": "/dev/vdb", "mode": "rw"}
    yield step("attach_volume", **given, instance_uuid=samples.uuid(41), host_name=None)
    yield step("attach_volume", "to a host", **given, instance_uuid=None, host_name="compute-1")
    yield step("detach_volume", volume=volume(), attachment_id=samples.uuid(40))
    yield step("detach_volume", "wherever it is", volume=volume(), attachment_id=None)
    yield step("initialize_connection", volume=volume(), connector=CONNECTOR)
    yield step("terminate_connection", volume=volume(), connector=CONNECTOR)
    yield step("terminate_connection", "by force", volume=volume(), connector=None, force=True)
    yield step("remove_export", volume=volume())
    yield step("remove_export", "and wait", volume=volume(), sync=True)
    given = {"vref": volume(), "attachment_id": samples.uuid(40)}
    yield step("attachment_update", **given, connector=CONNECTOR)
    yield step("attachment_delete", **given)


def snapshots():
    yield step("create_snapshot", volume=volume(), snapshot=snapshot())
    yield step("create_snapshot", "whole", volume=volume(), snapshot=samples.snapshot())
    yield step("delete_snapshot", snapshot=snapshot())
    yield step("delete_snapshot", "not its data", snapshot=snapshot(), unmanage_only=True)
    yield step("revert_to_snapshot", volume=volume(), snapshot=snapshot())
    yield step("manage_existing_snapshot", snapshot=snapshot(), ref={"source-name": "lun 0"}, backend=OTHER_POOL)


def snapshot_connections():
    yield step("initialize_connection_snapshot", snapshot=snapshot(), connector=CONNECTOR)
    yield step("terminate_connection_snapshot", snapshot=snapshot(), connector=CONNECTOR)
    yield step("terminate_connection_snapshot", "by force", snapshot=snapshot(), connector=None, force=True)
    yield step("remove_export_snapshot", snapshot=snapshot())
    yield step("remove_export_snapshot", "and wait", snapshot=snapshot(), sync=True)


def groups():
    yield step("create_group", group=samples.group())
    yield step("delete_group", group=group())
    ids = f"{samples.uuid(1)},{samples.uuid(11)}"
    yield step("update_group", group=group(), add_volumes=ids, remove_volumes=samples.uuid(12))
    yield step("update_group", "its name", group=group())
    yield step("create_group_from_src", group=group(), source_group=group(12))
    yield step("create_group_from_src", "a snapshot", group=group(), group_snapshot=group_snapshot())
    yield step("create_group_snapshot", group_snapshot=samples.group_snapshot())
    yield step("delete_group_snapshot", group_snapshot=group_snapshot())


def replication():
    yield step("enable_replication", group=group())
    yield step("disable_replication", group=group())
    yield step("failover_replication", group=group(), allow_attached_volume=True, secondary_backend_id="replica")
    yield step("failover_replication", "anywhere", group=group())
    yield step("list_replication_targets", group=group())


def backups():
    yield step("get_backup_device", backup=samples.backup(), volume=volume())
    yield step("get_backup_device", "small", backup=backup(), volume=volume())


def backends():
    service = samples.service()
    yield step("publish_service_capabilities")
    yield step("freeze_host", service=service)
    yield step("thaw_host", service=service)
    yield step("failover", service=service, secondary_backend_id="replica")
    yield step("failover", "anywhere", service=service)
    updates = {"replication_status": "failed-over", "active_backend_id": "replica"}
    yield step("failover_completed", service=samples.service(cluster_name=CLUSTER), updates=updates)
    yield step("failover_completed", "in no cluster", service=service, updates=updates)


def reports():
    yield step("get_capabilities", backend_id=POOL, discover=True)
    given = {"service": samples.service(), "marker": {"source-name": "lun 0"}, "limit": 10, "offset": None,
             "sort_keys": ["size"], "sort_dirs": ["desc"]}
    yield step("get_manageable_volumes", **given)
    yield step("get_manageable_snapshots", **given)


def services():
    yield step("do_cleanup", cleanup_request=samples.cleanup_request())
    yield step("do_cleanup", "in a cluster", cleanup_request=samples.cleanup_request(CLUSTER))
    given = {"service": samples.service(), "log_request": samples.log_level()}
    yield step("set_log_levels", **given)
    yield step("get_log_levels", **given)
    # Log levels belong to a service, so its cluster has no effect.
    given = {"service": samples.service(cluster_name=CLUSTER), "log_request": samples.log_level()}
    yield step("get_log_levels", "in a cluster", **given)
