"""Batches to payloads and back; arrays are views of the payload, never copies."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from interact_api import wire
from interact_api.wire import Header, Json, WireError

from interact._batches import Array, Axis, Batch, Bytes, DenseFrames, Image, SparseFrames, Values
from interact._chunks import Elsewhere, Part
from interact._errors import BatchError

_DTYPES = {name: np.dtype(name) for name in wire.DTYPES}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
MOST_EDITIONS = 1 << 30
"""How often one frame may be sent again."""
_PADDING = [bytes(size) for size in range(wire.ALIGNMENT)]


class Pieces(msgspec.Struct, frozen=True):
    """A message before its parts are joined; ``size`` is that of all of them, bytes.

    Where they are not in memory, ``elsewhere`` has them.
    """

    header: Header
    parts: Sequence[Part]
    size: int
    elsewhere: Elsewhere | None = None

    async def joined(self) -> bytes:
        """All of it, in memory."""
        if self.elsewhere is None:
            return b"".join(self.parts)
        return b"".join([bytes(part) async for part in self.elsewhere.parts()])


def encode(
    batch: Batch,
    *,
    identity: bytes,
    lane: str | None = None,
    revision: int | None = None,
    edition: int = 0,
) -> bytes:
    """The payload of a batch.

    Args:
        batch: What to send.
        identity: The message's name for good, 16 bytes.
        lane: Its path; the batch's own when left out.
        revision: Of the parameters that made it; the batch's own when left out.
        edition: How often a person has sent again what it is made of.
    """
    whole = pieces(batch, identity=identity, lane=lane, revision=revision, edition=edition)
    return b"".join(whole.parts)


def pieces(
    batch: Batch,
    identity: bytes,
    lane: str | None = None,
    revision: int | None = None,
    edition: int = 0,
    traceparent: str = "",
) -> Pieces:
    """What `encode` joins, without copying the arrays."""
    facts: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
    views: list[memoryview] = []
    for name, array in batch.arrays().items():
        if array.dtype not in _NAMES or not array.flags.c_contiguous:
            array = _portable(array)
        facts.append((name, array.dtype, array.shape))
        views.append(array.data if array.ndim else array.reshape(1).data)
    places, paddings, size = _laid_out(tuple(facts))
    header = Header(
        batch.kind,
        wire.encoded_scan(batch.scan),
        batch.start,
        batch.stop,
        identity,
        batch.lane if lane is None else lane,
        batch.time,
        batch.revision if revision is None else revision,
        batch.total,
        batch.tombstones,
        places,
        _attributes(batch),
        "",
        traceparent,
        edition,
    )
    parts: list[Part] = [wire.prefix_and_header(header)]
    for view, padding in zip(views, paddings, strict=True):
        if view.nbytes:
            parts.append(view)
            if padding:
                parts.append(padding)
    return Pieces(header, parts, len(parts[0]) + size)


def header_of(batch: Batch, arrays: msgspec.Raw, identity: bytes, edition: int = 0) -> Header:
    """The header of a batch whose arrays lie as they are said to."""
    return Header(
        batch.kind, wire.encoded_scan(batch.scan), batch.start, batch.stop, identity, batch.lane,
        batch.time, batch.revision, batch.total, batch.tombstones, arrays, dict(batch.attributes),
        edition=edition,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _laid_out(
    facts: tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...],
) -> tuple[msgspec.Raw, tuple[bytes, ...], int]:
    """Where arrays lie that follow each other, what is between them, and the bytes of all."""
    places: list[wire.Array] = []
    paddings: list[bytes] = []
    offset = 0
    for name, dtype, shape in facts:
        places.append(wire.Array(name, _NAMES[dtype], shape, offset))
        size = places[-1].size
        paddings.append(_PADDING[-size % wire.ALIGNMENT])
        offset += size + len(paddings[-1])
    if offset:
        last = max(number for number, place in enumerate(places) if place.size)
        offset -= len(paddings[last])  # nothing follows the last array
        paddings[last] = b""
    return wire.encoded_arrays(tuple(places)), tuple(paddings), offset


def decode(payload: bytes) -> tuple[Header, Batch]:
    """The header and the batch of a payload; the arrays are read-only views of it.

    Raises:
        WireError: If the payload is not a whole message.
    """
    header, body = wire.parse(payload)
    build = _BUILDERS.get(header.kind)
    if build is None or header.encoding or not 0 <= header.edition <= MOST_EDITIONS:
        raise _unreadable(header)
    arrays = {}
    for place in wire.decoded_arrays(header, len(payload) - body):
        shape = place.shape
        arrays[place.name] = (
            np.empty(shape, place.dtype)
            if 0 in shape
            else np.ndarray(shape, _DTYPES[place.dtype], payload, body + place.offset)
        )
    common = _common(header, arrays)
    try:
        return header, build(common, arrays)
    except (BatchError, KeyError, TypeError, ValueError, IndexError, StopIteration) as error:
        raise WireError(f"{header.kind} arrays", list(arrays), f"incomplete ({error})") from error


def frames_of(header: Header, arrays: Mapping[str, Array]) -> Batch:
    """What a header says of its frames; of ``arrays`` only their coordinates are taken."""
    common = _common(header, arrays)
    common["attributes"] = {key: one for key, one in header.attributes.items() if key != "_"}
    return Batch(**common)


def _common(header: Header, arrays: Mapping[str, Array]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "scan": wire.decoded_scan(header),
        "start": header.start,
        "stop": header.stop,
        "tombstones": header.tombstones,
        "total": header.total,
        "time": header.time,
        "revision": header.revision,
        "lane": header.lane,
        "attributes": header.attributes,
    }
    if "y" in arrays or "x" in arrays:
        common.update(y=arrays.get("y"), x=arrays.get("x"))
    return common


def _unreadable(header: Header) -> WireError:
    if header.kind not in _BUILDERS:
        return WireError("kind", header.kind, f"one of {', '.join(_BUILDERS)}")
    if header.encoding:
        return WireError("encoding", header.encoding, "this build reads unencoded bodies only")
    return WireError("edition", header.edition, f"0 to {MOST_EDITIONS}")


def _portable(array: Array) -> Array:
    """The array as the wire holds it: C order, little-endian numbers."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise WireError("dtype", str(array.dtype), "bool, integers and floats of at most 8 bytes")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _attributes(batch: Batch) -> dict[str, Json]:
    own: dict[str, Json] = {}
    if isinstance(batch, DenseFrames):
        return dict(batch.attributes)
    if isinstance(batch, SparseFrames):
        own = {"shape": list(batch.shape)}
    elif isinstance(batch, Values):
        own = {"units": dict(batch.units)}
    elif isinstance(batch, Image):
        own = {
            "units": dict(batch.units),
            "axes": [[axis.name, axis.unit, axis.step, axis.origin] for axis in batch.axes],
            "completeness": batch.completeness,
            "missing": dict(batch.missing),
        }
    return {**batch.attributes, "_": own} if own else dict(batch.attributes)


def _split(common: dict[str, Any]) -> Mapping[str, Any]:
    attributes = dict(common["attributes"])
    own = attributes.pop("_", {})
    common["attributes"] = attributes
    if not isinstance(own, dict):
        raise WireError("attributes", own, "a map")
    return own


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _dense(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    return DenseFrames(**common, data=arrays["data"])


def _sparse(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    rows, columns = _split(common)["shape"]
    events = arrays["events"]
    offsets = np.zeros(len(events) + 1, np.int64)
    np.cumsum(events, out=offsets[1:])
    return SparseFrames(
        **common,
        rows=arrays["rows"],
        columns=arrays["columns"],
        counts=arrays.get("counts"),
        offsets=offsets,
        shape=(int(rows), int(columns)),
    )


def _values(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    units = _split(common).get("units", {})
    return Values(**common, columns=_named(arrays, "column:"), units=units)


def _image(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    own = _split(common)
    return Image(
        **common,
        channels=_named(arrays, "channel:"),
        units=own["units"],
        axes=tuple(Axis(str(n), str(u), float(s), float(o)) for n, u, s, o in own["axes"]),
        completeness=float(own["completeness"]),
        missing=own["missing"],
        rendered=arrays["rendered"].tobytes() if "rendered" in arrays else b"",
    )


def _bytes(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    return Bytes(**common, data=arrays["data"].tobytes())


def _nothing(common: dict[str, Any], arrays: Mapping[str, Array]) -> Batch:
    del arrays
    return Batch(**common)


_BUILDERS = {
    "dense": _dense,
    "sparse": _sparse,
    "values": _values,
    "image": _image,
    "bytes": _bytes,
    "none": _nothing,
    "end": _nothing,
}
