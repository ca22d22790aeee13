"""Writes what cinder 29.0.0 and oslo.versionedobjects 3.12.0 make of a few objects: `python record.py DIRECTORY`."""

import datetime
import json
import pathlib
import sys

from cinder import objects
from oslo_versionedobjects import base, fields

ID = "6f2b0a3e-0c1d-4c58-9a53-5f9f3f1f5a01"
TYPE_ID = "b5a9a7f4-5f5e-4b0e-8f55-0f1f7c1f2b02"


def volume(**more):
    made = objects.Volume(id=ID, size=2, status="creating", host="node-1@lvm#pool", snapshot_id=None, **more)
    made.obj_reset_changes()
    return made


def full_volume():
    kind = objects.VolumeType(id=TYPE_ID, name="fast", is_public=True, extra_specs={"ssd": "1"})
    kind.obj_reset_changes()
    made = volume(
        display_name="data of \u00e9lan",
        created_at=datetime.datetime(2026, 11, 21, 1, 2, 3),
        metadata={"k": "v"},
        bootable=False,
        volume_type=kind,
    )
    made.obj_reset_changes()
    made.status = "available"
    return made


def request_spec():
    properties = objects.VolumeProperties(size=2, reservations=["r1", "r2"], qos_specs=None)
    properties.obj_reset_changes()
    made = objects.RequestSpec(
        volume_id=ID, volume=volume(), volume_properties=properties, availability_zones=["az1"], group_id=None
    )
    made.obj_reset_changes()
    return made


class Nova(base.VersionedObject):
    OBJ_SERIAL_NAMESPACE = "nova_object"
    OBJ_PROJECT_NAMESPACE = "nova"


@base.VersionedObjectRegistry.register
class Instance(Nova):
    VERSION = "2.7"
    fields = {
        "uuid": fields.UUIDField(),
        "tags": fields.SetOfStringsField(),
        "launched_at": fields.DateTimeField(nullable=True),
        "locked_by": fields.StringField(nullable=True),
    }


def main(directory):
    objects.register_all()
    instance = Instance(uuid=ID, tags={"a"}, launched_at=datetime.datetime(2026, 11, 21, 1, 2, 3), locked_by=None)
    instance.obj_reset_changes()
    volumes = objects.VolumeList(objects=[volume(), volume(display_name="second")])
    volumes.obj_reset_changes()
    recorded = {
        "volume": full_volume(),
        "request_spec": request_spec(),
        "volume_list": volumes,
        "instance": instance,
    }
    for name, made in recorded.items():
        text = json.dumps(made.obj_to_primitive())
        (pathlib.Path(directory) / f"{name}.json").write_text(text + "\n")


main(sys.argv[1])
