"""Calls of `cinder.backup.rpcapi.BackupAPI`."""

from cinder import objects

import samples
from cinder_objects import backup, snapshot, volume
from recording import step


def steps():
    for family in backups, restoring, records, services:
        yield from family()


def backups():
    whole = samples.backup()
    whole.host = "backup-1"
    yield step("create_backup", backup=whole)
    yield step("create_backup", "nowhere yet", backup=backup(None))
    device = objects.BackupDeviceInfo(volume=volume(), secure_enabled=True)
    yield step("continue_backup", backup=backup(), backup_device=device)
    device = objects.BackupDeviceInfo(snapshot=snapshot(), secure_enabled=False)
    yield step("continue_backup", "of a snapshot", backup=backup(), backup_device=device)
    yield step("continue_backup", "without a device", backup=backup(), backup_device=None)
    yield step("delete_backup", backup=backup())
    yield step("reset_status", backup=backup(), status="error")


def restoring():
    given = {"backup_host": "backup-2", "backup": backup(), "volume_id": samples.uuid(1)}
    yield step("restore_backup", **given, volume_is_new=True)
    yield step("restore_backup", "over a volume", **given, volume_is_new=False)


def records():
    yield step("export_record", backup=backup())
    given = {"host": "backup-2", "backup": backup(None), "backup_service": "cinder.backup.drivers.ceph",
             "backup_url": "eyJpZCI6IDV9"}
    yield step("import_record", **given, backup_hosts=["backup-3", "backup-4"])
    yield step("import_record", "no other host", **given, backup_hosts=[])


def services():
    yield step("check_support_to_force_delete", host="backup-2")
    given = {"service": samples.service("backup-1", "cinder-backup"), "log_request": samples.log_level()}
    yield step("set_log_levels", **given)
    yield step("get_log_levels", **given)
    yield step("publish_service_capabilities")
