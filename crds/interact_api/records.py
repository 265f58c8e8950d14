"""One replica, one operator: their reports over all their lives, added up. Pure."""

from dataclasses import dataclass, field

from interact_api import buckets
from interact_api.choices import Join, Role
from interact_api.place import Place
from interact_api.report import Report, ScanReport

COUNTERS = (
    "frames_in", "frames_out", "bytes_in", "bytes_out", "messages_in", "messages_out",
    "frames_failed", "undecodable", "redelivered", "unkept", "kernel_seconds", "blocked_seconds",
)  # fmt: skip
HISTOGRAMS = ("durations", "delays")
"""Counters by bucket; they come to an end with their life as the others do."""
RATE_SECONDS = 3.0
MAX_RECORDS = 512
"""Replicas to remember; an operator has 128 at most at a time."""


@dataclass(slots=True)
class ReplicaRecord:
    """One replica over all its lives."""

    former: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    former_buckets: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: dict[str, tuple[int, ...]].fromkeys(HISTOGRAMS, ())
    )
    report: Report | None = None
    restarts: int = 0
    gone: set[int] = field(default_factory=set[int])
    scans: dict[str, ScanReport] = field(default_factory=dict[str, ScanReport])
    heard_at: float = 0.0
    silent: bool = False

    def count(self, counter: str) -> float:
        """A counter over all lives."""
        now = getattr(self.report, counter) if self.report is not None else 0
        return float(self.former[counter] + now)

    def buckets(self, histogram: str) -> tuple[int, ...]:
        """A histogram over all lives."""
        now: tuple[int, ...] = getattr(self.report, histogram) if self.report is not None else ()
        return buckets.added((self.former_buckets[histogram], now))

    @property
    def state(self) -> str:
        """What it said last of itself; "starting" where it said nothing in this life."""
        return self.report.state if self.report is not None else "starting"

    def hear(self, report: Report) -> bool:
        """Take a report; whether anything in it is new."""
        if report.pid in self.gone:
            return False  # its last words came after its death was noted
        last = self.report
        self.silent = False
        if last is not None and _another_life(last, report):
            self.die()
            self.gone.discard(report.pid)  # the first process of every container has the same
        self.report = report
        for name, scan in report.scans.items():
            before = self.scans.get(name)
            if before is None or scan.covered >= before.covered:
                self.scans[name] = scan  # a new life begins at its checkpoint, a little behind
        return last != report

    @property
    def words(self) -> tuple[object, ...]:
        """What it says of itself beside counters: what somebody may be waiting for."""
        said = self.report
        if said is None:
            return ()
        scans = tuple((name, scan.complete) for name, scan in said.scans.items())
        return said.state, said.revision, dict(said.refused), said.warnings, said.errors, scans

    def die(self) -> None:
        """Its process is gone: what it counted is kept."""
        for counter in COUNTERS:
            self.former[counter] = self.count(counter)
        for histogram in HISTOGRAMS:
            self.former_buckets[histogram] = self.buckets(histogram)
        if self.report is not None:
            self.gone.add(self.report.pid)
        self.report = None
        self.restarts += 1


def _another_life(last: Report, report: Report) -> bool:
    """Whether a report comes from a new process: counters of one never go back."""
    return report.pid != last.pid or any(
        getattr(report, counter) < getattr(last, counter) for counter in COUNTERS
    )


@dataclass(frozen=True)
class Sample:
    """All counters of an operator at one time."""

    at: float
    frames: int
    bytes: int
    messages: int
    kernel_seconds: float
    delays: tuple[int, ...]


@dataclass(frozen=True)
class Pace:
    """What an operator did of late.

    Attributes:
        frames: A second.
        bytes: A second.
        busy: Replicas at work, on the average: seconds of work a second.
        message_seconds: Of work for one message; None where there was none.
        delay_p50: Half of the messages were done this many seconds after their source made them.
        delay_p99: 99 of a hundred.
        frames_per_message: On the average; None where there was none.
    """

    frames: float = 0.0
    bytes: float = 0.0
    busy: float = 0.0
    message_seconds: float | None = None
    delay_p50: float | None = None
    delay_p99: float | None = None
    frames_per_message: float | None = None


@dataclass(slots=True)
class OperatorRecord:
    """One operator of one pipeline."""

    place: Place
    replicas: dict[int, ReplicaRecord]
    """By number; one that was never heard of comes into being with its first report."""
    expected: int = 1
    """How many there should be."""
    pending: dict[tuple[str, str], tuple[int, int]] = field(
        default_factory=dict[tuple[str, str], tuple[int, int]]
    )
    """Messages waiting and held, by (stream, durable)."""
    samples: list[Sample] = field(default_factory=list[Sample])
    moved_at: float | None = None
    warnings: dict[str, None] = field(default_factory=dict[str, None])
    errors: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def is_source(self) -> bool:
        """Whether it brings the frames."""
        return self.place.role is Role.SOURCE

    @property
    def is_terminal(self) -> bool:
        """Whether the frames end here: it has data inputs and nobody reads its outputs."""
        fed = any(entry.join is not Join.LATEST for entry in self.place.inputs)
        return fed and not self.place.read

    @property
    def knows_its_end(self) -> bool:
        """Whether one replica, with its checkpoints, has seen every frame: its "done" holds.

        A parallel operator's replica has another number after its pod was replaced.
        """
        return self.expected == 1 and len(self.replicas) <= 1

    def count(self, counter: str) -> float:
        """A counter over all replicas and lives."""
        return sum(replica.count(counter) for replica in self.replicas.values())

    @property
    def frames(self) -> int:
        """Frames it handled: those a source sent, those the others took."""
        return int(self.count("frames_out" if self.is_source else "frames_in"))

    @property
    def present(self) -> list[ReplicaRecord]:
        """The replicas that are not silent."""
        return [replica for replica in self.replicas.values() if not replica.silent]

    def mark_silent(self, since: float) -> None:
        """Set replicas that were not heard since then aside; their counters stay."""
        for replica in self.replicas.values():
            replica.silent = replica.heard_at < since
        while len(self.replicas) > MAX_RECORDS:
            number = min(self.replicas, key=lambda one: self.replicas[one].heard_at)
            del self.replicas[number]

    @property
    def bytes(self) -> int:
        """Bytes it handled, in the same way."""
        return int(self.count("bytes_out" if self.is_source else "bytes_in"))

    @property
    def failed(self) -> int:
        """Frames its kernel failed on and messages it could not decode."""
        return int(self.count("frames_failed") + self.count("undecodable"))

    @property
    def ready(self) -> int:
        """Replicas that run."""
        return sum(replica.state in {"running", "done"} for replica in self.present)

    @property
    def waiting(self) -> int:
        """Messages pending or held on its inputs."""
        return sum(sum(counts) for counts in self.pending.values())

    def told(self, scan: str) -> list[ScanReport]:
        """What its replicas said of a scan."""
        return [one.scans[scan] for one in self.replicas.values() if scan in one.scans]

    def covered(self, scan: str) -> int:
        """Frames of a scan its replicas have accounted for."""
        return sum(said.covered for said in self.told(scan))

    def states(self) -> set[str]:
        """What its replicas say of themselves; "starting" for those that should be there."""
        said = {replica.state for replica in self.present}
        return said if len(self.present) >= self.expected else said | {"starting"}

    def sample(self, now: float) -> None:
        """Note the counters, for the rates."""
        delays = buckets.added(one.buckets("delays") for one in self.replicas.values())
        messages = int(self.count("messages_out" if self.is_source else "messages_in"))
        work = self.count("kernel_seconds")
        self.samples.append(Sample(now, self.frames, self.bytes, messages, work, delays))
        while len(self.samples) > 2 and self.samples[1].at < now - RATE_SECONDS:
            del self.samples[0]

    def rates(self) -> tuple[float, float]:
        """Frames and bytes a second, of late."""
        pace = self.pace()
        return pace.frames, pace.bytes

    def pace(self) -> Pace:
        """What it did of late."""
        if len(self.samples) < 2:
            return Pace()
        first, last = self.samples[0], self.samples[-1]
        span = max(last.at - first.at, 1e-9)
        messages = max(last.messages - first.messages, 0)
        frames = max(last.frames - first.frames, 0)
        work = max(last.kernel_seconds - first.kernel_seconds, 0.0)
        delays = buckets.since(last.delays, first.delays)
        return Pace(
            frames=frames / span,
            bytes=max(last.bytes - first.bytes, 0) / span,
            busy=work / span,
            message_seconds=work / messages if messages and not self.is_source else None,
            delay_p50=buckets.quantile(delays, 0.5),
            delay_p99=buckets.quantile(delays, 0.99),
            frames_per_message=frames / messages if messages else None,
        )
