"""Calls of all methods of `cinder.backup.rpcapi.BackupAPI`."""

from cinder import objects

import samples
from call import Call

ANY = "cinder-backup"
HOST = "cinder-backup.backup-1"
OTHER_HOST = "cinder-backup.backup-2"


def calls(can):
    """Yields the calls. `can` returns whether the cap allows a version."""
    for family in backups, records, services:
        yield from family(can)


def backup():
    made = samples.backup()
    made.host = "backup-1"
    return made


def backups(can):
    given = {"backup": backup()}
    yield Call("create_backup", given, given, HOST)
    yield Call("delete_backup", given, given, HOST)
    yield Call("reset_status", {**given, "status": "error"}, {**given, "status": "error"}, HOST)
    device = objects.BackupDeviceInfo(volume=samples.volume(), secure_enabled=True)
    more = {**given, "backup_device": device}
    # The API does not check the cap here.
    yield Call("continue_backup", more, more, HOST)

    sent = {**given, "volume_id": samples.uuid(1)}
    more = {**sent, "volume_is_new": True}
    yield Call("restore_backup", {**more, "backup_host": "backup-2"}, more if can("2.4") else sent, OTHER_HOST)


def records(can):
    given = {"backup": backup()}
    yield Call("export_record", given, given, HOST, awaited=True)
    sent = {**given, "backup_service": "cinder.backup.drivers.ceph", "backup_url": "eyJpZCI6IDV9",
            "backup_hosts": ["backup-3"]}
    yield Call("import_record", {**sent, "host": "backup-2"}, sent, OTHER_HOST)


def services(can):
    yield Call("check_support_to_force_delete", {"host": "backup-2"}, {}, OTHER_HOST, awaited=True)
    sent = {"log_request": samples.log_level()}
    given = {**sent, "service": samples.service(host="backup-1", binary="cinder-backup")}
    yield Call("set_log_levels", given, sent if can("2.1") else None, HOST)
    yield Call("get_log_levels", given, sent if can("2.1") else None, HOST, awaited=True)
    yield Call("publish_service_capabilities", {}, {} if can("2.2") else None, ANY, fanout=True)
