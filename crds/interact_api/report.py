"""What an operator process tells about itself, twice a second, on its status subject."""

import msgspec


class ScanReport(msgspec.Struct, frozen=True):
    """How far a scan is at one replica; ``missing`` counts frames by reason."""

    covered: int
    total: int
    complete: bool
    missing: dict[str, int] = {}
    shape: tuple[int, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """One replica's counters since its start.

    ``state`` is starting, running, draining, done (every scan of every source is complete, or the
    source has ended) or failed. ``unkept`` counts checkpoints that could not be made. ``revision`` is
    that of the parameters in use, ``refused`` holds the values not taken, by name, and why; ``run``
    is the nonce of the run, empty where it is not told. ``breaker`` says why an operator that fails all
    the time has stopped fetching, ``dead_letters_full`` that it cannot keep what fails. ``dropped``
    counts frames left out on purpose, by reason, ``triggers`` calls by outcome. ``durations`` and
    ``delays`` count messages by `buckets`:
    seconds of work, and seconds since the source made their frames. Counters never go back while
    ``pid`` stays.
    """

    operator: str
    replica: int
    pid: int
    state: str
    role: str
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0
    frames_failed: int = 0
    undecodable: int = 0
    redelivered: int = 0
    unkept: int = 0
    kernel_seconds: float = 0.0
    blocked_seconds: float = 0.0
    scans: dict[str, ScanReport] = {}
    scans_complete: int = 0
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    revision: int = 0
    refused: dict[str, str] = {}
    run: str = ""
    breaker: str = ""
    dead_letters_full: bool = False
    dropped: dict[str, int] = {}
    triggers: dict[str, int] = {}
    durations: tuple[int, ...] = ()
    delays: tuple[int, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Report)


def encode(report: Report) -> bytes:
    """The report as JSON."""
    return _encoder.encode(report)


def decode(payload: bytes) -> Report:
    """A report read back.

    Raises:
        msgspec.MsgspecError: If the payload is not a report.
    """
    return _decoder.decode(payload)
