"""Prints Cinder's object classes, one a line: an object with all fields, one with null fields."""

import datetime
import json

from cinder import objects
from cinder.objects import base
from oslo_versionedobjects import fields

objects.register_all()

NOON = datetime.datetime(2026, 1, 2, 12, 0, 0, tzinfo=datetime.timezone.utc)
CLASSES = {name: classes[0] for name, classes in base.CinderObjectRegistry.obj_classes().items()}

# The first class that matches a field determines its value.
VALUES = {
    fields.BooleanField: True,
    fields.IntegerField: 7,
    fields.DateTimeField: NOON,
    fields.UUIDField: "00000000-0000-4000-8000-000000000001",
    fields.DictOfNullableStringsField: {"kéy": "v", "none": None},
    fields.DictOfStringsField: {"kéy": "v"},
    fields.ListOfStringsField: ["a", "b"],
    fields.StringField: "tëxt",
}


def value(field, depth):
    """Returns a valid value of a field; `None` for objects that are nested too deeply."""
    if isinstance(field, fields.ObjectField):
        return full(field._type._obj_name, depth - 1) if depth else None
    if isinstance(field, fields.ListOfObjectsField):
        name = field._type._element_type._type._obj_name
        return [full(name, depth - 1), full(name, 0)] if depth else []
    if getattr(field, "valid_values", None):
        return field.valid_values[0]
    for cls, found in VALUES.items():
        if isinstance(field, cls):
            return found
    return {"kéy": {"any": [1, 0.5, None]}}


def full(name, depth=2):
    values = {key: value(field, depth) for key, field in CLASSES[name].fields.items()}
    made = CLASSES[name](**{key: value for key, value in values.items() if value is not None})
    made.obj_reset_changes()
    return made


def null(name):
    made = CLASSES[name]()
    for key, field in made.fields.items():
        if key in ("id", "objects"):
            setattr(made, key, value(field, 0))
        elif field.nullable:
            # Some constructors and setters reject null for a nullable field.
            setattr(made, f"_obj_{key}", None)
    return made


for name in sorted(CLASSES):
    line = {"name": name, "fields": list(CLASSES[name].fields)}
    print(json.dumps(line | {"objects": [full(name).obj_to_primitive(), null(name).obj_to_primitive()]}))
