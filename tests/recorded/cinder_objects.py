"""Minimal objects of Cinder."""

from cinder import objects

import samples

BACKEND = "node-1@ceph"
POOL = "node-1@ceph#fast"
OTHER_POOL = "node-2@nfs#slow"
CLUSTER = "cluster-a@ceph"
# The scheduler's data about an attempt.
FOUND = {"retry": {"num_attempts": 1, "hosts": []}, "limits": None}


def unchanged(made, **changed):
    """Marks an object as unchanged, as the database returns it, then changes fields."""
    made.obj_reset_changes()
    for key, value in changed.items():
        setattr(made, key, value)
    return made


def volume(number=1, host=POOL, cluster_name=None):
    made = objects.Volume(id=samples.uuid(number), host=host, cluster_name=cluster_name, size=4, status="available")
    return unchanged(made, status="creating")


def snapshot(number=2, **of_volume):
    made = objects.Snapshot(id=samples.uuid(number), volume_id=samples.uuid(1), status="available",
                            volume=volume(**of_volume))
    return unchanged(made, status="creating", progress="0%")


def group(number=3, host=POOL, cluster_name=None):
    made = objects.Group(id=samples.uuid(number), host=host, cluster_name=cluster_name, name="g", status="available")
    return unchanged(made)


def group_snapshot(**of_group):
    return unchanged(objects.GroupSnapshot(id=samples.uuid(4), group_id=samples.uuid(3), group=group(**of_group)))


def backup(host="backup-1"):
    made = objects.Backup(id=samples.uuid(5), volume_id=samples.uuid(1), host=host, status="available", metadata={})
    return unchanged(made, status="creating")


def request_spec():
    properties = objects.VolumeProperties(size=4)
    return unchanged(objects.RequestSpec(volume_id=samples.uuid(1), volume_properties=properties))
