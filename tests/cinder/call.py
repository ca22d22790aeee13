"""A call of an API, and the request that has to arrive."""

import dataclasses


@dataclasses.dataclass
class Call:
    name: str
    # The arguments, and those on the wire. Without the latter, the API has to refuse the call.
    given: dict
    sent: dict | None
    # The routing key: a topic, or a topic and a host. A fanout cast reaches all servers of a topic.
    to: str
    fanout: bool = False
    # Whether Python waits for an answer, and whether the API converts it.
    awaited: bool = False
    converted: bool = False
    # The method's name on the wire, if it is not `name`.
    wire_name: str | None = None
    # Distinguishes calls of one method.
    variant: str = ""

    @property
    def label(self):
        return f"{self.name} {self.variant}".strip()

    def arrival(self, serialize):
        """Returns the request that has to arrive."""
        return {"method": self.wire_name or self.name, "args": serialize(self.sent), "to": self.to,
                "fanout": self.fanout, "awaited": self.awaited, "converted": self.converted}
