"""Exceptions of the Python peer, as a service would define them."""


class NotFound(Exception):
    """Has keyword arguments, which are sent on the wire."""

    def __init__(self, message=None, **kwargs):
        self.kwargs = kwargs
        super().__init__(message or "%(name)s was not found" % kwargs)
