"""Exceptions of the Python peer, as a service would define its own."""


class NotFound(Exception):
    """Made with keyword arguments, which cross the wire."""

    def __init__(self, message=None, **kwargs):
        self.kwargs = kwargs
        super().__init__(message or "%(name)s was not found" % kwargs)
