"""What is known of a run: every replica's reports over all its lives, and what follows from them.

Pure: time comes in as seconds, nothing here waits or speaks to anybody.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from interact_api.config import OperatorConfig
from interact_api.operator import Join, Role
from interact_api.report import Report, ScanReport

Key = tuple[str, str]
"""(pipeline, operator)"""

COUNTERS = (
    "frames_in", "frames_out", "bytes_in", "bytes_out", "messages_in", "messages_out",
    "frames_failed", "undecodable", "redelivered", "kernel_seconds", "blocked_seconds",
)  # fmt: skip
INTENDED = frozenset({"filtered", "reduced", "duplicate", "failed"})
"""Reasons of tombstones that do not make a scan incomplete; failed frames have their own code."""
RATE_SECONDS = 3.0
_QUIET_POLLS = 2
"""Polls in a row that must find nothing pending: a message may hop between two queries of one."""


@dataclass
class ReplicaRecord:
    """One replica over all its lives."""

    former: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    report: Report | None = None
    restarts: int = 0
    gone: set[int] = field(default_factory=set)
    scans: dict[str, dict[int, ScanReport]] = field(default_factory=dict)

    def count(self, counter: str) -> float:
        """A counter over all lives."""
        now = getattr(self.report, counter) if self.report is not None else 0
        return float(self.former[counter] + now)

    @property
    def state(self) -> str:
        """What it said last of itself; "starting" where it said nothing in this life."""
        return self.report.state if self.report is not None else "starting"

    def hear(self, report: Report) -> bool:
        """Take a report; whether anything in it is new."""
        if report.pid in self.gone:
            return False  # its last words came after its death was noted
        last = self.report
        self.report = report
        for name, scan in report.scans.items():
            self.scans.setdefault(name, {})[report.pid] = scan
        return last != report

    def die(self) -> None:
        """Its process is gone: what it counted is kept."""
        for counter in COUNTERS:
            self.former[counter] = self.count(counter)
        if self.report is not None:
            self.gone.add(self.report.pid)
        self.report = None
        self.restarts += 1


@dataclass
class OperatorRecord:
    """One operator of one pipeline."""

    config: OperatorConfig
    replicas: list[ReplicaRecord]
    pending: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Messages waiting and held, by (stream, durable)."""
    samples: deque[tuple[float, float, float]] = field(default_factory=deque)
    moved_at: float | None = None
    warnings: dict[str, None] = field(default_factory=dict)
    errors: dict[str, None] = field(default_factory=dict)

    @property
    def is_source(self) -> bool:
        """Whether it brings the frames."""
        return self.config.role is Role.SOURCE

    @property
    def is_terminal(self) -> bool:
        """Whether the frames end here: it has data inputs and nobody reads its outputs."""
        fed = any(entry.join is not Join.LATEST for entry in self.config.inputs)
        return fed and not self.config.outputs

    @property
    def knows_its_end(self) -> bool:
        """Whether one process has seen every frame, so that its word "done" holds."""
        return len(self.replicas) == 1 and not self.replicas[0].restarts

    def count(self, counter: str) -> float:
        """A counter over all replicas and lives."""
        return sum(replica.count(counter) for replica in self.replicas)

    @property
    def frames(self) -> int:
        """Frames it handled: those a source sent, those the others took."""
        return int(self.count("frames_out" if self.is_source else "frames_in"))

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
        return sum(replica.state in {"running", "done"} for replica in self.replicas)

    @property
    def waiting(self) -> int:
        """Messages pending or held on its inputs."""
        return sum(sum(counts) for counts in self.pending.values())

    def states(self) -> set[str]:
        """What its replicas say of themselves."""
        return {replica.state for replica in self.replicas}

    def sample(self, now: float) -> None:
        """Note the counters, for the rates."""
        self.samples.append((now, self.frames, self.bytes))
        while len(self.samples) > 2 and self.samples[1][0] < now - RATE_SECONDS:
            self.samples.popleft()

    def rates(self) -> tuple[float, float]:
        """Frames and bytes a second, of late."""
        if len(self.samples) < 2:
            return 0.0, 0.0
        (since, frames, size), (until, frames_now, size_now) = self.samples[0], self.samples[-1]
        span = max(until - since, 1e-9)
        return max(frames_now - frames, 0) / span, max(size_now - size, 0) / span


@dataclass(frozen=True)
class ScanView:
    """How far one scan is: the slowest of the operators at the pipeline's ends."""

    pipeline: str
    id: str
    covered: int
    total: int
    complete: bool
    missing: Mapping[str, int]
    shape: tuple[int, ...]

    @property
    def unintended(self) -> int:
        """Frames that should be there and are not, apart from failed ones."""
        return sum(n for reason, n in self.missing.items() if reason not in INTENDED)


class Board:
    """Everything that was reported in a run."""

    def __init__(self, configs: Mapping[Key, OperatorConfig], replicas: Mapping[Key, int]) -> None:
        self.operators = {
            key: OperatorRecord(config, [ReplicaRecord() for _ in range(replicas[key])])
            for key, config in configs.items()
        }
        self.moved_at = 0.0
        self.sources_started_at: float | None = None
        self.flow_began_at: float | None = None
        self._origins: dict[tuple[str, str], str] = {}
        self._quiet: dict[str, int] = {}

    def of(self, pipeline: str) -> list[OperatorRecord]:
        """The operators of a pipeline."""
        return [record for (name, _), record in self.operators.items() if name == pipeline]

    @property
    def pipelines(self) -> list[str]:
        """Names of the pipelines, in order."""
        return list(dict.fromkeys(name for name, _ in self.operators))

    def hear(self, pipeline: str, report: Report, now: float) -> None:
        """Take one report; those of operators nobody asked for are left out."""
        record = self.operators.get((pipeline, report.operator))
        if record is None or report.replica >= len(record.replicas):
            return
        replica = record.replicas[report.replica]
        before = record.frames
        if replica.hear(report):
            self.moved_at = now
        if record.frames != before:
            record.moved_at = now
        record.warnings.update(dict.fromkeys(report.warnings))
        record.errors.update(dict.fromkeys(report.errors))
        if record.is_source:
            if not record.frames or self.flow_began_at is None:
                self.flow_began_at = now
            for scan in report.scans:
                self._origins[pipeline, scan] = report.operator

    def poll(
        self,
        pipeline: str,
        pending: Mapping[str, Mapping[tuple[str, str], tuple[int, int]]],
        now: float,
    ) -> None:
        """Take what is pending, by operator and consumer."""
        for operator, counts in pending.items():
            record = self.operators[pipeline, operator]
            if record.pending != counts:
                self.moved_at = now
            record.pending = dict(counts)
        quiet = self.sources_done(pipeline) and not any(r.waiting for r in self.of(pipeline))
        self._quiet[pipeline] = self._quiet.get(pipeline, 0) + 1 if quiet else 0

    def sample(self, now: float) -> None:
        """Note all counters, for the rates."""
        for record in self.operators.values():
            record.sample(now)

    # -- what follows -----------------------------------------------------------------------------

    def sources_done(self, pipeline: str) -> bool:
        """Whether every source has sent its last frame."""
        return all(record.states() == {"done"} for record in self.of(pipeline) if record.is_source)

    def drained(self, pipeline: str) -> bool:
        """Whether the sources are done and no message is under way."""
        return self._quiet.get(pipeline, 0) >= _QUIET_POLLS

    def finished(self, record: OperatorRecord) -> bool:
        """Whether an operator at the end of a pipeline has seen everything."""
        if record.knows_its_end:
            return record.states() == {"done"}
        return self.drained(record.config.pipeline)

    def done(self, pipeline: str) -> bool:
        """Whether a pipeline has nothing left to do."""
        ends = [record for record in self.of(pipeline) if record.is_terminal]
        if ends:
            return all(self.finished(record) for record in ends)
        return self.drained(pipeline)

    def scans(self) -> Iterator[ScanView]:
        """Every scan anybody told of, in the order of their sources' words."""
        for pipeline in self.pipelines:
            records = self.of(pipeline)
            ends = [record for record in records if record.is_terminal]
            tellers = ends or [record for record in records if record.is_source]
            names = dict.fromkeys(
                scan for record in records for replica in record.replicas for scan in replica.scans
            )
            for name in names:
                origin = self._origins.get((pipeline, name))
                expected = [record for record in tellers if _expects(record, origin)]
                if expected:
                    yield self._scan(pipeline, name, expected)

    def _scan(self, pipeline: str, name: str, tellers: list[OperatorRecord]) -> ScanView:
        told = {
            id(record): [
                s for replica in record.replicas for s in replica.scans.get(name, {}).values()
            ]
            for record in tellers
        }
        known = [
            scan
            for record in self.of(pipeline)
            for replica in record.replicas
            for scan in replica.scans.get(name, {}).values()
        ]
        total = max(scan.total for scan in known)
        covered, complete, missing = total, True, dict[str, int]()
        for record in tellers:
            mine = told[id(record)]
            sealed = any(scan.complete for scan in mine)
            if not sealed and not record.knows_its_end and self.drained(pipeline):
                sealed = True
            complete = complete and sealed
            covered = min(covered, total if sealed else sum(scan.covered for scan in mine))
            for scan in mine:
                for reason, frames in scan.missing.items():
                    missing[reason] = max(missing.get(reason, 0), frames)
        return ScanView(pipeline, name, covered, total, complete, missing, known[-1].shape)


def _expects(record: OperatorRecord, origin: str | None) -> bool:
    """Whether frames of a source come to an operator."""
    if origin is None or record.is_source:
        return origin is None or record.config.operator == origin
    roots = {lane.partition(">")[0] for entry in record.config.inputs for lane in entry.lanes}
    return origin in roots
