"""A call of a method, and what has to arrive of it."""

import dataclasses


@dataclasses.dataclass
class Call:
    name: str
    # The arguments, and what of them is on the wire. Without the latter the API has to refuse the call.
    given: dict
    sent: dict | None
    # Its routing key: a topic, or a topic and a host. A fanout cast goes to all servers of a topic.
    to: str
    fanout: bool = False
    # Whether Python waits for an answer, and whether the API makes something else of it.
    awaited: bool = False
    converted: bool = False
    # What the method is called on the wire, if it is not `name`.
    wire_name: str | None = None
    # Tells two calls of one method apart.
    variant: str = ""

    @property
    def label(self):
        return f"{self.name} {self.variant}".strip()

    def arrival(self, serialize):
        """Returns what has to arrive."""
        return {"method": self.wire_name or self.name, "args": serialize(self.sent), "to": self.to,
                "fanout": self.fanout, "awaited": self.awaited, "converted": self.converted}
