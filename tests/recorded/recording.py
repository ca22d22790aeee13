"""Makes the calls of an API under every version cap, and records what each one sends."""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable

from oslo_serialization import jsonutils

import capture

UNCAPPED = "none"
# Replaces the cap in error texts.
CAP = "{cap}"


@dataclasses.dataclass
class Step:
    """A call of a method."""

    call: str
    variant: str
    inputs: dict
    # Whether the API's own code raises a built-in exception for these inputs.
    breaks: bool = False

    @property
    def name(self):
        return f"{self.call}, {self.variant}" if self.variant else self.call


def step(call, variant="", /, **inputs):
    """Returns a step. `variant` distinguishes calls of one method."""
    return Step(call, variant, inputs)


def broken(call, variant, /, **inputs):
    return Step(call, variant, inputs, breaks=True)


@dataclasses.dataclass
class Api:
    cls: type
    package: str
    newest: str
    # The caps to try, oldest first. A client without a cap is tried, too.
    caps: list[str]
    # Returns an instance of the class under a cap, or without one.
    make: Callable
    # Returns new steps for each cap, because a call may change its inputs.
    steps: Callable[[], Iterable[Step]]
    context: object
    client: Callable = lambda made: made.client
    # Public functions of the class that make no call.
    helpers: tuple = ()
    # A cap below all others, under which nothing may be sent.
    too_old: str | None = None
    notes: tuple = ()
    replies: dict = dataclasses.field(default_factory=dict)
    # Converts values that the API's serializer leaves unchanged and JSON cannot represent.
    default: Callable = jsonutils.to_primitive


def record(api, wire):
    """Returns the document to write for an API."""
    wire.replies = api.replies
    if api.too_old:
        refuses_all(api, wire)
    recorded = {}
    for cap in (*api.caps, None):
        made = api.make(cap)
        for tried in api.steps():
            begun = {"step": tried.name, "call": tried.call, "inputs": serialized(api, made, tried), "caps": {}}
            kept = recorded.setdefault(tried.name, begun)
            if kept["inputs"] != begun["inputs"]:
                raise ValueError(f"{tried.name} differs from cap to cap, or there are two of this name")
            add(kept["caps"], cap or UNCAPPED, outcome(api, made, cap, tried, wire))
    check(api, recorded.values())
    head = {"api": f"{api.cls.__module__}.{api.cls.__name__}", "package": api.package, "newest": api.newest}
    return head | {"notes": list(api.notes), "steps": list(recorded.values())}


def serialized(api, made, tried):
    serializer = api.client(made).serializer
    inputs = {key: serializer.serialize_entity(api.context, value) for key, value in tried.inputs.items()}
    return capture.plain(inputs, api.default)


def add(outcomes, cap, result):
    """Adds an outcome, unless it equals that of the previous cap."""
    if not outcomes or list(outcomes.values())[-1] != result:
        outcomes[cap] = result


def outcome(api, made, cap, tried, wire):
    """Makes a call, and returns its outcome."""
    try:
        returned = getattr(made, tried.call)(api.context, **tried.inputs)
    except Exception as error:
        # A built-in exception is most likely a mistake in the step.
        if wire.take() or (type(error).__module__ == "builtins" and not tried.breaks):
            raise
        return {"refused": {"class": type(error).__name__, "text": without(cap, str(error))}}
    sent = wire.take()
    return {"sent": sent} if sent else {"sent": sent, "returned": returned}


def without(cap, text):
    """Replaces the cap in a text, so that equal refusals have equal texts under all caps."""
    return re.sub(rf"(?<![\d.]){re.escape(cap)}(?!\.?\d)", CAP, text) if cap else text


def refuses_all(api, wire):
    made = api.make(api.too_old)
    for tried in api.steps():
        result = outcome(api, made, api.too_old, tried, wire)
        if result.get("sent"):
            raise ValueError(f"{tried.name} is sent under {api.too_old}")


def check(api, recorded):
    """Fails if a public method was never called successfully."""
    reached = {kept["call"] for kept in recorded if any("sent" in result for result in kept["caps"].values())}
    missing = {name for name in methods(api.cls) if name not in api.helpers} - reached
    if missing:
        raise SystemExit(f"{api.cls.__module__}: nothing is recorded of {', '.join(sorted(missing))}")


def methods(cls):
    """Returns the names of a class's own public methods."""
    def callable_there(value):
        return inspect.isfunction(value) or isinstance(value, (staticmethod, classmethod))

    return [name for name, value in vars(cls).items() if callable_there(value) and not name.startswith("_")]


def write(document, path):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
