"""Calls of the conductor's APIs, `ComputeTaskAPI` and `ConductorAPI` of `nova.conductor.rpcapi`."""

from nova_objects import (
    FOUND, NOON, aggregate, bdms, build_request, flavor, image, instance, keypair, migration, networks, request_spec,
    selection, tags, uuid, whole_instance, whole_request_spec,
)
from recording import broken, step


def task_steps():
    for family in moves, resizes, builds, rebuilds, others:
        yield from family()


def moves():
    given = {"instance": instance(), "scheduler_hint": {"host": "compute-2"}, "block_migration": True,
             "disk_over_commit": False, "request_spec": request_spec()}
    yield step("live_migrate_instance", **given)
    yield step("live_migrate_instance", "anywhere", **given | {"scheduler_hint": {"host": None}})
    given = {"instance": whole_instance(), "scheduler_hint": {"filter_properties": FOUND}, "live": False,
             "rebuild": False, "block_migration": None, "disk_over_commit": None}
    yield step("migrate_server", **given, flavor=flavor(), reservations=None, clean_shutdown=False,
               request_spec=whole_request_spec(), host_list=[selection()])
    yield step("migrate_server", "without a flavor", **given, flavor=None)
    yield step("migrate_server", "not waiting", **given, flavor=flavor(), request_spec=request_spec(), do_cast=True)


def resizes():
    given = {"instance": instance(), "migration": migration()}
    yield step("confirm_snapshot_based_resize", **given)
    yield step("confirm_snapshot_based_resize", "and wait", **given, do_cast=False)
    yield step("revert_snapshot_based_resize", **given)


def builds():
    given = {"instances": [instance(host=None)], "image": {"id": uuid(30)}, "admin_password": "secret",
             "injected_files": [], "requested_networks": networks(), "security_groups": ["default"],
             "block_device_mapping": bdms()}
    found = FOUND | {"instance_type": flavor()}
    yield step("build_instances", **given, filter_properties=found, legacy_bdm=False, request_spec=request_spec(),
               host_lists=[[selection(2), selection(3)]])
    image_with_time = {"id": uuid(30), "created_at": NOON}
    yield step("build_instances", "only it", **given | {"image": image_with_time}, filter_properties={})
    yield broken("build_instances", "without networks", **given | {"requested_networks": None}, filter_properties={})

    given = {"build_requests": [build_request()], "request_specs": [request_spec()], "image": {"id": uuid(30)},
             "admin_password": "secret", "injected_files": [], "requested_networks": networks(),
             "block_device_mapping": [bdms()]}
    yield step("schedule_and_build_instances", **given, tags=[tags()])
    yield step("schedule_and_build_instances", "without tags", **given)


def rebuilds():
    given = {"instance": instance(), "new_pass": "secret", "injected_files": [], "image_ref": uuid(30),
             "orig_image_ref": uuid(31), "orig_sys_metadata": {"image_base_image_ref": uuid(31)}, "bdms": bdms()}
    yield step("rebuild_instance", **given, recreate=True, on_shared_storage=True, host="compute-2",
               preserve_ephemeral=True, request_spec=request_spec())
    yield step("rebuild_instance", "only it", **given)
    yield step("rebuild_instance", "with its boot volume", **given, reimage_boot_volume=True)
    yield step("rebuild_instance", "to be stopped", **given, target_state="stopped")


def others():
    yield step("unshelve_instance", instance=instance(), request_spec=request_spec())
    yield step("unshelve_instance", "only it", instance=instance())
    yield step("cache_images", aggregate=aggregate(), image_ids=[uuid(30), uuid(31)])
    given = {"instance": instance(), "volume": {"id": uuid(41), "size": 4}, "device": None, "disk_bus": None,
             "device_type": None}
    yield step("attach_volume", **given)
    yield step("attach_volume", "not waiting", **given, tag="data", supports_multiattach=True,
               delete_on_termination=True, do_cast=True)


def object_steps():
    versions = {"KeyPair": "1.4", "KeyPairList": "1.3"}
    given = {"objmethod": "get_by_name", "args": ["alice", "clé"], "kwargs": {"localonly": True}}
    yield step("object_class_action", objname="KeyPair", **given, objver="1.4")
    yield step("object_class_action_versions", objname="KeyPair", **given, object_versions=versions)
    yield step("object_action", objinst=keypair(), objmethod="destroy", args=(), kwargs={})
    yield step("object_action", "with objects", objinst=instance(), objmethod="save", args=(),
               kwargs={"expected_task_state": ["rebooting", None], "image": image(), "since": NOON})
    newer = keypair().obj_to_primitive() | {"nova_object.version": "1.9"}
    yield step("object_backport_versions", objinst=newer, object_versions=versions)
