"""Plausible return values of Cinder's managers."""

from cinder import objects

import samples

CONNECTION = {"driver_volume_type": "rbd", "data": {"name": "volumes/volume-1", "hosts": ["192.0.2.1"], "secret": None}}
CAPABILITIES = {"total_capacity_gb": "infinite", "free_capacity_gb": 1.5}
LUN = {"source-name": "lun 1"}


def backup_device(want_objects=False, async_call=False, **_):
    if async_call:
        return None
    if want_objects:
        return objects.BackupDeviceInfo(volume=samples.volume(), secure_enabled=True)
    return {"backup_device": samples.volume(), "secure_enabled": True, "is_snapshot": False}


def manageable_volumes(want_objects=False, **_):
    if not want_objects:
        return [{"reference": LUN, "size": 4, "safe_to_manage": True}]
    return [objects.ManageableVolume(reference=LUN, size=4)]


def manageable_snapshots(want_objects=False, **_):
    if not want_objects:
        return [{"reference": LUN, "source_reference": LUN, "size": 4, "safe_to_manage": True}]
    return [objects.ManageableSnapshot(reference=LUN, source_reference=LUN, size=4)]


def services():
    return [samples.service()], [samples.service("node-2@nfs", cluster_name="cluster-a@ceph")]


def attachment(volume_id, **_):
    return objects.VolumeAttachment(id=samples.uuid(40), volume_id=volume_id, attach_time=samples.NOON)


REPLIES = {
    "attach_volume": attachment,
    "attachment_update": CONNECTION,
    "accept_transfer": None,
    "check_support_to_force_delete": True,
    "export_record": {"backup_service": "cinder.backup.drivers.ceph", "backup_url": "eyJpZCI6IDV9"},
    "freeze_host": True,
    "get_backup_device": backup_device,
    "get_capabilities": CAPABILITIES,
    "get_log_levels": lambda **_: objects.LogLevelList(objects=[samples.log_level()]),
    "get_manageable_snapshots": manageable_snapshots,
    "get_manageable_volumes": manageable_volumes,
    "get_pools": [{"name": samples.HOST, "capabilities": CAPABILITIES}],
    "initialize_connection": CONNECTION,
    "initialize_connection_snapshot": CONNECTION,
    "list_replication_targets": {"volume_type": samples.uuid(20), "replication_targets": [{"backend_id": "replica"}]},
    "migrate_volume_completion": samples.uuid(11),
    "secure_file_operations_enabled": True,
    "thaw_host": False,
    "validate_host_capacity": True,
    "work_cleanup": lambda **_: services(),
}


def reply(name, args):
    """Returns a plausible value; `None` for methods that return nothing."""
    found = REPLIES.get(name)
    return found(**args) if callable(found) else found
