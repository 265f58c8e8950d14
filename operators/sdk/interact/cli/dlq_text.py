"""Dead letters as people and programs read them, and their frames as files."""

import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from interact._redrive import Letter
from interact.cli.cluster import columns

MOST_ERROR = 60
"""Characters of an error in a table."""
TITLES = ("ID", "OPERATOR", "PORT", "SCAN", "FRAME", "KIND", "ERROR", "AGE")


def table(letters: Sequence[Letter], now: datetime) -> list[str]:
    """Letters in columns."""
    return columns.aligned([TITLES, *(_row(one, now) for one in letters)])


def _row(one: Letter, now: datetime) -> tuple[str, ...]:
    error = plain(one.error.partition("\n")[0])
    short = error if len(error) <= MOST_ERROR else f"{error[: MOST_ERROR - 1]}…"
    cells = (
        str(one.sequence), one.operator, one.port, one.scan, one.frames, one.kind, short,
        columns.age(_time(one.at), now),
    )  # fmt: skip
    return tuple(plain(cell) or "-" for cell in cells)


def document(one: Letter) -> dict[str, Any]:
    """A letter as JSON types, without its arrays."""
    return {
        "id": one.sequence,
        "operator": one.operator,
        "port": one.port,
        "source": one.source,
        "joined": list(one.joined),
        "scan": one.scan,
        "start": one.start,
        "stop": one.stop,
        "kind": one.kind,
        "error": one.error,
        "traceback": one.traceback,
        "image": one.image,
        "revision": one.revision,
        "attempts": one.attempts,
        "message": one.message,
        "edition": one.edition,
        "time": _time(one.at),
        "whole": one.whole,
        "content": one.content,
        "bytes": sum(place.size for place in one.arrays),
        "arrays": _described(one),
    }


def text(one: Letter, now: datetime) -> list[str]:
    """Everything about one letter."""
    facts = {
        "Letter": str(one.sequence),
        "Operator": one.operator,
        "Port": f"{one.port}, which reads {one.source}" if one.source else one.port,
        "Joined with": ", ".join(port for port in one.joined if port != one.port),
        "Scan": one.scan,
        "Frames": one.frames,
        "Kind": one.kind,
        "Error": one.error,
        "Attempts": str(one.attempts),
        "Sent again": f"{one.edition} times before" if one.edition else "",
        "Revision": f"{one.revision} of the parameters",
        "Image": one.image,
        "Message": f"{one.message} of stream {one.source}" if one.message else "",
        "Time": f"{_time(one.at)} ({columns.age(_time(one.at), now)} ago)",
        "Content": _content(one),
    }
    width = max(map(len, facts)) + 3
    lines = [
        f"{name + ':':<{width}}{plain(value)}".rstrip() for name, value in facts.items() if value
    ]
    trace = [plain(line) for line in one.traceback.rstrip().splitlines()]
    return [*lines, *(["Traceback:", *columns.indented(trace)] if trace else [])]


def _content(one: Letter) -> str:
    if not one.scan:
        return f"{len(one.raw):,} bytes that nobody could read" + _part(one)
    arrays = ", ".join(f"{name} {described}" for name, described in _described(one).items())
    return f"{one.content}: {arrays or 'no arrays'}" + _part(one)


def _part(one: Letter) -> str:
    return "" if one.whole else " (it was too large: not all of it was kept)"


def archive(one: Letter) -> bytes:
    """A letter's frame as .npz: its arrays, the numbers of its frames, and its facts as JSON."""
    arrays = {name.replace("/", "_"): array for name, array in _arrays(one).items()}
    if one.batch is not None:
        arrays["index"] = one.batch.index
    facts = document(one)
    if one.batch is not None:
        facts["geometry"] = msgspec.to_builtins(msgspec.structs.asdict(one.batch.scan))
        facts["attributes"] = dict(one.batch.attributes)
    arrays["facts"] = np.frombuffer(json.dumps(facts, default=str).encode(), np.uint8)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as files:
        for name, array in arrays.items():
            with files.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
    return target.getvalue()


def _arrays(one: Letter) -> dict[str, Any]:
    if one.batch is None:
        return {"payload": np.frombuffer(one.raw, np.uint8)}
    return {name.replace(":", "_"): array for name, array in one.batch.arrays().items()}


def _described(one: Letter) -> dict[str, str]:
    """The arrays on the wire, each with its type and shape."""
    return {
        place.name.replace(":", "_"): f"{place.dtype} ({', '.join(map(str, place.shape))})"
        for place in one.arrays
    }


def _time(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return "?"


def plain(text: str) -> str:
    """Text that cannot steer a terminal: an operator's error may hold anything."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
