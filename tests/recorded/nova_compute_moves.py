"""Calls of `nova.compute.rpcapi.ComputeAPI` that move an instance from one host to another."""

from nova_objects import (
    FOUND, flavor, image, instance, limits, migrate_data, migration, request_spec, selection, uuid, whole_request_spec,
)
from recording import step


def steps():
    for family in checks, live_migration, live_migration_ends, resize, resize_ends, cells, cells_end:
        yield from family()


def checks():
    given = {"instance": instance(), "destination": "compute-2", "block_migration": None, "disk_over_commit": False}
    yield step("check_can_live_migrate_destination", **given, migration=migration(), limits=limits())
    yield step("check_can_live_migrate_destination", "without limits", **given, migration=None, limits=None)
    yield step("check_can_live_migrate_source", instance=instance(), dest_check_data=migrate_data())
    data = {"filename": "probe"}
    yield step("check_instance_shared_storage", data=data, instance=instance(), host="compute-2")
    yield step("check_instance_shared_storage", "at its host", data=data, instance=instance())
    yield step("check_instance_shared_storage", "at a host only", data=data, host="compute-2")
    yield step("check_instance_shared_storage", "nowhere", data=data)


def live_migration():
    given = {"instance": instance(), "dest": "compute-2", "block_migration": True, "host": "compute-1",
             "migration": migration()}
    yield step("live_migration", **given, migrate_data=migrate_data())
    yield step("live_migration", "without data", **given)
    disk = '[{"path": "disk", "type": "qcow2"}]'
    yield step("pre_live_migration", instance=instance(), block_migration=True, disk=disk, host="compute-2",
               migrate_data=migrate_data())
    yield step("pre_live_migration", "without a disk", instance=instance(), block_migration=False, disk=None,
               host="compute-2", migrate_data=migrate_data())


def live_migration_ends():
    yield step("post_live_migration_at_destination", instance=instance(), block_migration=True, host="compute-2")
    yield step("rollback_live_migration_at_destination", instance=instance(), host="compute-2", destroy_disks=True,
               migrate_data=migrate_data())
    yield step("drop_move_claim_at_destination", instance=instance(), host="compute-2")
    given = {"instance": instance(), "volume_id": uuid(41), "host": "compute-2"}
    yield step("remove_volume_connection", **given)
    yield step("remove_volume_connection", "and its attachment", **given, delete_attachment=True)


def resize():
    given = {"instance": instance(), "flavor": flavor(), "host": "compute-2", "migration": migration()}
    yield step("prep_resize", **given, image=image(), request_spec=whole_request_spec(), filter_properties=FOUND,
               node="node-2", clean_shutdown=True, host_list=[selection(3)])
    yield step("prep_resize", "of a dictionary", **given, image={"min_ram": 64}, request_spec=request_spec(),
               filter_properties={}, node=None, clean_shutdown=False, host_list=None)
    given = {"instance": instance(), "migration": migration(), "image": {"id": uuid(30)}, "flavor": flavor()}
    yield step("resize_instance", **given, request_spec=request_spec())
    yield step("resize_instance", "at once", **given, request_spec=None, clean_shutdown=False)
    yield step("finish_resize", instance=instance(), migration=migration(), image={"id": uuid(30)},
               disk_info='[{"path": "disk"}]', host="compute-2", request_spec=request_spec())


def resize_ends():
    given = {"instance": instance(), "migration": migration()}
    yield step("confirm_resize", **given, host="compute-2")
    yield step("confirm_resize", "and wait", **given, host="compute-2", cast=False)
    yield step("confirm_resize", "at its host", **given, host=None)
    yield step("revert_resize", **given, host="compute-2", request_spec=request_spec())
    yield step("revert_resize", "at its host", **given, host=None, request_spec=None)
    yield step("finish_revert_resize", **given, host="compute-1", request_spec=request_spec())
    yield step("finish_revert_resize", "nowhere", **given, host=None, request_spec=None)


def cells():
    given = {"instance": instance(), "migration": migration()}
    yield step("prep_snapshot_based_resize_at_dest", **given, flavor=flavor(), nodename="node-2", limits=limits(),
               request_spec=request_spec(), destination="compute-2")
    yield step("prep_snapshot_based_resize_at_source", **given, snapshot_id=uuid(30))
    yield step("prep_snapshot_based_resize_at_source", "without a snapshot", **given)
    yield step("finish_snapshot_based_resize_at_dest", **given, snapshot_id=uuid(30), request_spec=request_spec())
    yield step("finish_snapshot_based_resize_at_dest", "without a snapshot", **given, snapshot_id=None,
               request_spec=request_spec())


def cells_end():
    for call in ("confirm_snapshot_based_resize_at_source", "revert_snapshot_based_resize_at_dest",
                 "finish_revert_snapshot_based_resize_at_source"):
        yield step(call, instance=instance(), migration=migration())
