"""Records what the RPC clients of Cinder or Nova send: record.py cinder|nova OUTPUT_FOLDER

The clients are the unmodified ones of the packages. The program calls every public method under every
version cap, and writes as JSON what would be sent to a broker, in one file for each API. Two runs
write the same bytes.
"""

import collections
import importlib
import logging
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Cinder's objects are those of the tests against Cinder.
sys.path.append(str(HERE.parent / "cinder"))

import recording  # noqa: E402


def summary(name, document, size):
    """Returns a line about a file: its contents, and the errors of refused calls."""
    refusals = collections.Counter(
        result["refused"]["class"]
        for step in document["steps"]
        for result in step["caps"].values()
        if "refused" in result
    )
    errors = ", ".join(f"{count} {error}" for error, count in sorted(refusals.items())) or "nothing"
    methods = len({step["call"] for step in document["steps"]})
    return f"{name}: {methods} methods, {len(document['steps'])} steps, {size // 1024} KiB; refused: {errors}"


def main():
    _, package, folder = sys.argv
    # The files contain the errors of refused calls.
    logging.disable()
    project = importlib.import_module(f"{package}_apis")
    wire = project.wire()
    for name, api in project.apis():
        document = recording.record(api, wire)
        path = pathlib.Path(folder) / f"{package}-{name}.json"
        recording.write(document, path)
        print(summary(path.name, document, path.stat().st_size))


main()
