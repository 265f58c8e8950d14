"""The message on the wire: a fixed prefix, a columnar msgpack header, raw arrays.

    magic(4) version(1) flags(1) reserved(2) header bytes(4) | header | padding | body

The body starts at a multiple of 64 bytes and so does every array in it, so that a receiver
views the arrays in place. Nothing in the header grows with the number of frames but the
tombstones: the frames of a message are its coverage without its tombstones, in order.
"""

import math
import re
import struct
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAGIC: Final = b"IACT"
VERSION: Final = 1
ALIGNMENT: Final = 64
MAX_HEADER_BYTES: Final = 1 << 20
MAX_ARRAYS: Final = 64
MAX_AXES: Final = 8
MAX_FRAMES: Final = 1 << 28
"""Frames in a scan: a bitmap of one takes 256 MiB; 16,384 x 16,384 positions."""

END_MARK: Final = "_end"
"""First part of the subject token that takes a scan's place in a source's last message."""

ENCODED: Final = b"\x01"
"""The byte of flags of a message whose header names an encoding; it stands at `FLAGS`."""
FLAGS: Final = slice(5, 6)

_PREFIX: Final = struct.Struct("<4sBBHI")
DTYPES: Final = frozenset(
    ("|b1", "|u1", "|i1", "<u2", "<i2", "<f2", "<u4", "<i4", "<f4", "<u8", "<i8", "<f8")
)
_PADDING: Final = [bytes(size) for size in range(ALIGNMENT)]
_SCAN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


class WireError(ValueError):
    """A message that is not ours or not whole; never worth a second try."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"message {field} is {value!r}: {rule}")


class Calibration(msgspec.Struct, frozen=True, array_like=True):
    """Once-per-scan facts of the instrument; None where nobody said.

    ``step`` is the distance of neighbouring positions (y, x), ``pixel`` the detector pixel
    (y, x). ``rotation`` (degrees) turns the detector's (y, x) into the scan's; ``flip`` negates
    the detector's y before that. ``dose`` is electrons per frame, ``energy`` keV.
    """

    step: tuple[float, float] | None = None
    step_unit: str = ""
    pixel: tuple[float, float] | None = None
    pixel_unit: str = ""
    rotation: float = 0.0
    flip: bool = False
    energy: float | None = None
    dose: float | None = None


class Scan(msgspec.Struct, frozen=True, array_like=True):
    """One acquisition: the unit of completeness.

    ``shape`` is (rows, columns) of a raster or (n,) of a list of positions. Frames are numbered
    by ``index`` in the order of acquisition; ``order`` is raster or snake, ``flyback`` columns at
    each row's end and the first ``offset`` frames belong to no position. ``revision`` is that of
    the pipeline's parameters when the source began the scan; it sets it.
    """

    id: str
    shape: tuple[int, ...]
    frames_per_position: int = 1
    order: str = "raster"
    flyback: int = 0
    offset: int = 0
    calibration: Calibration = Calibration()
    title: str = ""
    revision: int = 0

    @property
    def listed(self) -> bool:
        """Whether positions are a list and not a grid."""
        return len(self.shape) == 1

    @property
    def positions(self) -> int:
        """Number of positions."""
        return math.prod(self.shape)

    @property
    def total(self) -> int:
        """Number of frames, those of flyback and offset included."""
        if self.listed:
            return self.offset + self.shape[0] * self.frames_per_position
        rows, columns = self.shape
        return self.offset + rows * (columns + self.flyback) * self.frames_per_position


class Tombstone(msgspec.Struct, frozen=True, array_like=True):
    """Frames [start, stop) that are accounted for but not there, and why."""

    reason: str
    start: int
    stop: int


class Array(msgspec.Struct, frozen=True, array_like=True):
    """Where one array lies in the body; ``offset`` in bytes, a multiple of 64."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * int(self.dtype[-1])


NO_ARRAYS: Final = msgspec.Raw(b"\x90")


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What a message says of itself; the order of the fields is the format.

    ``kind`` is dense, sparse, values, image, bytes, none (coverage only) or end (a source's last
    word). ``start`` and ``stop`` are the coverage; ``identity`` names the message for good;
    ``lane`` is its path; ``time`` seconds since 1970 at the source; ``revision`` the parameters'.
    ``edition`` is 0, or how often the frame was sent again by a person after it had failed.
    ``encoding`` is empty, or ``chunked``: then the body lies elsewhere, see ``interact._chunks``.
    ``scan`` and ``arrays`` are the same from message to message: they travel as they are, and are
    read once; see `decoded_scan` and `decoded_arrays`.
    """

    kind: str
    scan: msgspec.Raw
    start: int
    stop: int
    identity: bytes
    lane: str
    time: float = 0.0
    revision: int = 0
    total: int | None = None
    tombstones: tuple[Tombstone, ...] = ()
    arrays: msgspec.Raw = NO_ARRAYS
    attributes: dict[str, Any] = {}
    encoding: str = ""
    traceparent: str = ""
    edition: int = 0


_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(Header).decode
_unpack = _PREFIX.unpack_from
_scan_decoder = msgspec.msgpack.Decoder(Scan)
_arrays_decoder = msgspec.msgpack.Decoder(tuple[Array, ...])


@lru_cache(maxsize=64)
def encoded_scan(scan: Scan) -> msgspec.Raw:
    """The scan as every header of it carries it."""
    return msgspec.Raw(_encoder.encode(scan))


@lru_cache(maxsize=64)
def _decoded_scan(raw: bytes) -> Scan:
    scan = _scan_decoder.decode(raw)
    if not _SCAN_ID.fullmatch(scan.id):
        raise WireError("scan.id", scan.id, "letters, digits, - and _ only, at most 63")
    if len(scan.shape) not in {1, 2} or any(edge < 0 for edge in scan.shape):
        raise WireError("scan.shape", scan.shape, "one or two edges, none negative")
    if scan.order not in {"raster", "snake"}:
        raise WireError("scan.order", scan.order, "raster or snake")
    if scan.total > MAX_FRAMES:
        raise WireError("scan.total", scan.total, f"at most {MAX_FRAMES} frames")
    if min(scan.flyback, scan.offset, scan.frames_per_position - 1) < 0:
        raise WireError("scan", scan.id, "flyback, offset >= 0 and frames_per_position >= 1")
    return scan


def decoded_scan(header: Header) -> Scan:
    """The scan a header belongs to.

    Raises:
        WireError: If it is not a scan.
    """
    try:
        return _decoded_scan(bytes(header.scan))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError("scan", "…", str(error)) from error


@lru_cache(maxsize=256)
def encoded_arrays(arrays: tuple[Array, ...]) -> msgspec.Raw:
    """The arrays as a header carries them."""
    return msgspec.Raw(_encoder.encode(arrays))


@lru_cache(maxsize=256)
def _decoded_arrays(raw: bytes) -> tuple[tuple[Array, ...], int]:
    """The arrays, and how many bytes of body they need."""
    arrays = _arrays_decoder.decode(raw)
    if len(arrays) > MAX_ARRAYS:
        raise WireError("arrays", len(arrays), f"at most {MAX_ARRAYS}")
    for array in arrays:
        if array.dtype not in DTYPES:
            raise WireError(f"array {array.name} dtype", array.dtype, "a little-endian number")
        if len(array.shape) > MAX_AXES or min(array.shape, default=0) < 0:
            raise WireError(f"array {array.name} shape", array.shape, f"at most {MAX_AXES} edges")
        if array.offset < 0 or array.offset % ALIGNMENT:
            raise WireError(
                f"array {array.name}", array.offset, f"begins at a multiple of {ALIGNMENT}"
            )
    return arrays, max((array.offset + array.size for array in arrays), default=0)


def decoded_arrays(header: Header, body_bytes: int | None = None) -> tuple[Array, ...]:
    """Where the arrays of a message lie in its body.

    Args:
        header: Of the message.
        body_bytes: Size of the body, where it is there.

    Raises:
        WireError: If the header does not say so, or the arrays do not fit the body.
    """
    try:
        arrays, needed = _decoded_arrays(bytes(header.arrays))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError("arrays", "…", str(error)) from error
    if body_bytes is not None and needed > max(body_bytes, 0):
        last = max(arrays, key=lambda array: array.offset + array.size)
        raise WireError(f"array {last.name}", needed, f"the body has {body_bytes} bytes")
    return arrays


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def prefix_and_header(header: Header) -> bytes:
    """Everything before the body, padded to where the body starts."""
    encoded = _encoder.encode(header)
    if len(encoded) > MAX_HEADER_BYTES:
        raise WireError(
            "header", len(encoded), f"at most {MAX_HEADER_BYTES} bytes; use smaller batches"
        )
    size = len(encoded)
    prefix = _PREFIX.pack(MAGIC, VERSION, 1 if header.encoding else 0, 0, size)
    return prefix + encoded + _PADDING[-(_PREFIX.size + size) % ALIGNMENT]


def parse(payload: bytes) -> tuple[Header, int]:
    """The header of a message, all of which may not be there, and where its body starts.

    Raises:
        WireError: If the payload is foreign, or cut short in its header.
    """
    if len(payload) < _PREFIX.size:
        raise WireError("size", len(payload), f"at least {_PREFIX.size} bytes")
    magic, version, _, _, size = _unpack(payload)
    if magic != MAGIC:
        raise WireError("magic", magic, f"must be {MAGIC!r}; another program publishes here")
    if version != VERSION:
        raise WireError("version", version, f"this build reads version {VERSION}")
    end = _PREFIX.size + size
    if size > MAX_HEADER_BYTES or end > len(payload):
        raise WireError("header size", size, f"the message has {len(payload)} bytes")
    try:
        found = _decode(memoryview(payload)[_PREFIX.size : end])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError("header", "…", str(error)) from error
    if found.tombstones or not 0 <= found.start <= found.stop <= MAX_FRAMES:
        _check_coverage(found)
    return found, end + -end % ALIGNMENT


def _check_coverage(header: Header) -> None:
    if not 0 <= header.start <= header.stop <= MAX_FRAMES:
        raise WireError(
            "coverage", (header.start, header.stop), f"0 <= start <= stop <= {MAX_FRAMES}"
        )
    at = header.start
    for tombstone in header.tombstones:
        if not at <= tombstone.start < tombstone.stop <= header.stop:
            raise WireError("tombstones", tombstone, "in order, apart, inside the coverage")
        at = tombstone.stop
