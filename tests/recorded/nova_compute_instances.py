"""Calls of `nova.compute.rpcapi.ComputeAPI` to the host of an instance."""

from nova_objects import bdm, bdms, instance, migration, share_mapping, uuid, whole_instance
from recording import step


def steps():
    for family in addresses, states, resting, shutting_down, contents, volumes, networks, consoles, questions:
        yield from family()


def addresses():
    yield step("pause_instance", "whole", instance=whole_instance())
    yield step("pause_instance", "at a host with dots", instance=instance(host="compute-1.example.org"))
    yield step("pause_instance", "nowhere", instance=instance(host=None))


def states():
    for call in ("start_instance", "pause_instance", "unpause_instance", "suspend_instance", "resume_instance",
                 "unrescue_instance", "soft_delete_instance", "restore_instance", "inject_network_info",
                 "trigger_crash_dump", "unquiesce_instance"):
        yield step(call, instance=instance())
    yield step("unquiesce_instance", "some volumes", instance=instance(), mapping=[bdm()])
    yield step("quiesce_instance", instance=instance())
    yield step("reboot_instance", instance=instance(), block_device_info=None, reboot_type="SOFT")
    yield step("reboot_instance", "with volumes", instance=instance(),
               block_device_info={"root_device_name": "/dev/vda", "block_device_mapping": []}, reboot_type="HARD")


def resting():
    yield step("rescue_instance", instance=instance(), rescue_password="secret")
    yield step("rescue_instance", "with an image, at once", instance=instance(), rescue_password=None,
               rescue_image_ref=uuid(30), clean_shutdown=False)
    yield step("shelve_instance", instance=instance())
    yield step("shelve_instance", "to an image, at once", instance=instance(), image_id=uuid(30), clean_shutdown=False)
    yield step("shelve_instance", "with accelerators", instance=instance(), accel_uuids=[uuid(91)])
    yield step("shelve_instance", "with no accelerators", instance=instance(), accel_uuids=[])
    yield step("shelve_offload_instance", instance=instance())
    yield step("shelve_offload_instance", "with accelerators, at once", instance=instance(), clean_shutdown=False,
               accel_uuids=[uuid(91)])


def shutting_down():
    yield step("stop_instance", instance=instance())
    yield step("stop_instance", "and wait", instance=instance(), do_cast=False)
    yield step("stop_instance", "at once", instance=instance(), do_cast=True, clean_shutdown=False)
    yield step("terminate_instance", instance=instance(), bdms=bdms())
    yield step("live_migration_abort", instance=instance(), migration_id=8)
    yield step("live_migration_force_complete", instance=instance(), migration=migration())
    moved = instance(host="compute-3")
    yield step("live_migration_force_complete", "on another host", instance=moved, migration=migration())
    unknown = migration(source_compute=None)
    yield step("live_migration_force_complete", "on the host of the instance", instance=moved, migration=unknown)


def contents():
    yield step("backup_instance", instance=instance(), image_id=uuid(30), backup_type="daily", rotation=3)
    yield step("snapshot_instance", instance=instance(), image_id=uuid(30))
    yield step("set_admin_password", instance=instance(), new_pass="secret")
    yield step("set_admin_password", "to none", instance=instance(), new_pass=None)


def volumes():
    yield step("attach_volume", instance=instance(), bdm=bdm())
    yield step("detach_volume", instance=instance(), volume_id=uuid(41), attachment_id=uuid(42))
    yield step("detach_volume", "without an attachment", instance=instance(), volume_id=uuid(41))
    yield step("swap_volume", instance=instance(), old_volume_id=uuid(41), new_volume_id=uuid(43),
               new_attachment_id=uuid(42))
    info = {"snapshot_id": uuid(44), "type": "qcow2", "new_file": "new"}
    yield step("volume_snapshot_create", instance=instance(), volume_id=uuid(41), create_info=info)
    yield step("volume_snapshot_delete", instance=instance(), volume_id=uuid(41), snapshot_id=uuid(44),
               delete_info=info)
    given = {"instance": instance(), "volume_id": uuid(41)}
    yield step("reserve_block_device_name", **given, device="/dev/vdb", disk_bus="virtio", device_type="disk",
               tag="data", multiattach=True)
    yield step("reserve_block_device_name", "anywhere", **given, device=None, disk_bus=None, device_type=None,
               tag=None, multiattach=False)
    yield step("allow_share", instance=instance(), share_mapping=share_mapping())
    yield step("deny_share", instance=instance(), share_mapping=share_mapping())


def networks():
    given = {"instance": instance(), "network_id": uuid(70), "port_id": None, "requested_ip": None}
    yield step("attach_interface", **given, tag="nic")
    yield step("attach_interface", "without a tag", **given)
    yield step("detach_interface", instance=instance(), port_id=uuid(71))
    yield step("add_fixed_ip_to_instance", instance=instance(), network_id=uuid(70))
    yield step("remove_fixed_ip_from_instance", instance=instance(), address="192.0.2.7")


def consoles():
    yield step("get_console_output", instance=instance(), tail_length=10)
    yield step("get_console_output", "all", instance=instance(), tail_length=None)
    for call, kind in (("get_vnc_console", "novnc"), ("get_spice_console", "spice-html5"),
                       ("get_mks_console", "webmks"), ("get_serial_console", "serial")):
        yield step(call, instance=instance(), console_type=kind)
    yield step("validate_console_port", instance=instance(), port="5900", console_type="novnc")


def questions():
    yield step("get_diagnostics", instance=instance())
    yield step("get_instance_diagnostics", instance=instance())
    yield step("supports_numa_live_migration")
