"""Sample objects of Cinder."""

import datetime

from cinder import objects

HOST = "node-1@ceph#fast"
OTHER_HOST = "node-2@nfs#slow"
NOON = datetime.datetime(2026, 1, 2, 12, 0, 0, 250, tzinfo=datetime.timezone.utc)


def uuid(number):
    return f"00000000-0000-4000-8000-{number:012}"


def volume_type():
    return objects.VolumeType(id=uuid(20), name="gold", is_public=True, extra_specs={"qos": "high"})


def volume(number=1, host=HOST):
    """Returns a volume as the database returns it, with two later changes."""
    made = objects.Volume(
        id=uuid(number), user_id="alice", project_id="héron", host=host, size=4, status="available",
        attach_status="detached", display_name="données \U0001f4be", metadata={"a": "b"}, volume_type_id=uuid(20),
        volume_type=volume_type(), created_at=NOON, cluster_name=None, bootable=True, use_quota=True,
    )
    made.obj_reset_changes()
    made.status, made.previous_status = "creating", "error"
    return made


def snapshot(number=2):
    made = objects.Snapshot(
        id=uuid(number), user_id="alice", project_id="héron", volume_id=uuid(1), status="creating", progress="0%",
        volume_size=4, display_name="hier", metadata={}, volume=volume(), use_quota=True,
    )
    made.obj_reset_changes()
    return made


def group(number=3):
    return objects.Group(
        id=uuid(number), user_id="alice", project_id="héron", host=HOST, cluster_name=None, name="g",
        group_type_id=uuid(21), volume_type_ids=[uuid(20)], status="creating",
    )


def group_snapshot():
    return objects.GroupSnapshot(
        id=uuid(4), group_id=uuid(3), project_id="héron", user_id="alice", name="gs", status="creating", group=group(),
    )


def backup():
    return objects.Backup(
        id=uuid(5), user_id="alice", project_id="héron", volume_id=uuid(1), host=None, status="creating", size=4,
        metadata={"k": "v"}, data_timestamp=NOON,
    )


def request_spec():
    return objects.RequestSpec(
        volume_id=uuid(1), volume_properties=objects.VolumeProperties(size=4, display_name="données"),
        volume_type=volume_type(), availability_zones=["nova"], operation="create_volume",
    )


def service(host="node-1@ceph", binary="cinder-volume", cluster_name=None):
    return objects.Service(id=7, host=host, binary=binary, cluster_name=cluster_name, topic=binary, uuid=uuid(6))


def cleanup_request(cluster_name=None):
    return objects.CleanupRequest(
        host="node-1@ceph", binary="cinder-volume", cluster_name=cluster_name, resource_type="Volume", until=NOON,
    )


def log_level():
    return objects.LogLevel(prefix="cinder.volume", level="DEBUG")
