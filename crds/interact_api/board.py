"""What is known of a run: every replica's reports over all its lives, and what follows from them.

Pure: time comes in as seconds, nothing here waits or speaks to anybody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from interact_api.choices import Role
from interact_api.config import OperatorConfig
from interact_api.flow import Edge, Letters, Trouble
from interact_api.place import Place
from interact_api.records import MAX_RECORDS, OperatorRecord, ReplicaRecord
from interact_api.report import Report

Key = tuple[str, str]
"""(pipeline, operator)"""

INTENDED = frozenset({"filtered", "reduced", "duplicate", "failed", "skipped"})
"""Reasons of tombstones that do not make a scan incomplete; failed frames have their own code."""
SILENCE_SECONDS = 30.0
"""Silence after which a replica no longer counts as there; they report twice a second."""
MAX_WORDS = 256
"""Warnings, and errors, to remember of an operator."""
_QUIET_POLLS = 2
"""Polls in a row that must find nothing pending: a message may hop between two queries of one."""


@dataclass(frozen=True)
class ScanView:
    """How far one scan is: the slowest of the operators that count its frames."""

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

    @property
    def state(self) -> str:
        """How it stands: complete, skipped, or incomplete and why."""
        return scan_state(self.missing, complete=self.complete)


def scan_state(missing: Mapping[str, int], *, complete: bool) -> str:
    """How a scan stands: complete, skipped, under way, or incomplete and why.

    >>> scan_state({"filtered": 3, "aborted": 10}, complete=True)
    'incomplete: aborted'
    """
    if "skipped" in missing:
        return "skipped"
    reasons = sorted(reason for reason in missing if reason not in INTENDED)
    if reasons:
        return f"incomplete: {', '.join(reasons)}"
    return "complete" if complete else "under way"


class Board:
    """Everything that was reported in a run."""

    def __init__(
        self,
        configs: Mapping[Key, OperatorConfig] = MappingProxyType({}),
        replicas: Mapping[Key, int] = MappingProxyType({}),
    ) -> None:
        self.operators = {
            key: _record(config, replicas.get(key, 1)) for key, config in configs.items()
        }
        self.moved_at = 0.0
        self.sources_started_at: float | None = None
        self.sources_ran_at: float | None = None
        self.flow_began_at: float | None = None
        self.frames_moved_at = 0.0
        self.edges: dict[str, tuple[Edge, ...]] = {}
        self.letters: dict[str, Letters | None] = {}
        self.troubles: dict[str, tuple[Trouble, ...]] = {}
        """By pipeline, where somebody looks for them."""
        self._origins: dict[tuple[str, str], str] = {}
        self._quiet: dict[str, int] = {}
        self._over: dict[tuple[str, str], ScanView] = {}

    def of(self, pipeline: str) -> list[OperatorRecord]:
        """The operators of a pipeline."""
        return [record for (name, _), record in self.operators.items() if name == pipeline]

    @property
    def pipelines(self) -> list[str]:
        """Names of the pipelines, in order."""
        return list(dict.fromkeys(name for name, _ in self.operators))

    def assign(
        self, configs: Mapping[Key, OperatorConfig], replicas: Mapping[Key, int], now: float
    ) -> None:
        """Go on with other operators or numbers of replicas; what is known of the same ones stays.

        Replicas that were silent for `SILENCE_SECONDS` no longer count as there.
        """
        for key in self.operators.keys() - configs.keys():
            del self.operators[key]
        for key, config in configs.items():
            known = self.operators.get(key)
            if known is None or known.place.run != config.run:
                self.operators[key] = OperatorRecord(Place.of(config), {}, replicas.get(key, 1))
                continue
            known.place, known.expected = Place.of(config), replicas.get(key, 1)
            known.mark_silent(now - SILENCE_SECONDS)

    def hear(self, pipeline: str, report: Report, now: float) -> bool:
        """Take one report; whether more than counters is new.

        Reports of operators nobody asked for, and of other runs, are left out.
        """
        record = self.operators.get((pipeline, report.operator))
        if record is None or (report.run and report.run != record.place.run):
            return False
        if report.replica not in record.replicas and len(record.replicas) >= 2 * MAX_RECORDS:
            return False
        replica = record.replicas.setdefault(report.replica, ReplicaRecord())
        before, said = record.frames, replica.words
        replica.heard_at = now
        if replica.hear(report):
            self.moved_at = now
        if record.frames != before:
            record.moved_at = self.frames_moved_at = now
        _note(record.warnings, report.warnings)
        _note(record.errors, report.errors)
        if record.is_source:
            if not record.frames or self.flow_began_at is None:
                self.flow_began_at = now
            if self.sources_ran_at is None and report.state != "starting":
                self.sources_ran_at = now
            for scan in report.scans:
                self._origins[pipeline, scan] = report.operator
        return replica.words != said

    def poll(
        self,
        pipeline: str,
        pending: Mapping[str, Mapping[tuple[str, str], tuple[int, int]]],
        now: float,
    ) -> None:
        """Take what is pending, by operator and consumer."""
        for operator, counts in pending.items():
            record = self.operators.get((pipeline, operator))
            if record is None:
                continue
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
        return self.drained(record.place.pipeline)

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
            names = dict.fromkeys(
                scan
                for record in records
                for replica in record.replicas.values()
                for scan in replica.scans
            )
            for name in names:
                key = (pipeline, name)
                concerned = [one for one in records if _expects(one, self._origins.get(key))]
                view = self._over.get(key) or self._scan(pipeline, name, concerned)
                if view is not None:
                    if view.complete and "failed" not in view.missing:  # those may still come
                        self._over[key] = view
                    yield view

    def _scan(self, pipeline: str, name: str, records: list[OperatorRecord]) -> ScanView | None:
        """One scan as the operators it concerns see it."""
        ends = [one for one in records if one.is_terminal] or [
            one for one in records if one.is_source
        ]
        later = self._after_reducers(pipeline)
        counting = [
            one
            for one in records
            if one.place.operator not in later and (one in ends or one.place.role is Role.REDUCER)
        ]
        told = [scan for record in records for scan in record.told(name)]
        if not ends or not told:
            return None
        total = max(scan.total for scan in told)
        missing: dict[str, int] = {}
        for scan in (scan for record in (*counting, *ends) for scan in record.told(name)):
            for reason, frames in scan.missing.items():
                missing[reason] = max(missing.get(reason, 0), frames)
        complete = all(self._sealed(record, name) for record in ends)
        covered = min(
            (total if self._sealed(one, name) else one.covered(name) for one in counting),
            default=0,
        )
        return ScanView(
            pipeline, name, total if complete else covered, total, complete, missing, told[-1].shape
        )

    def _sealed(self, record: OperatorRecord, name: str) -> bool:
        """Whether an operator has every frame of a scan."""
        if any(scan.complete for scan in record.told(name)):
            return True
        return not record.knows_its_end and self.drained(record.place.pipeline)

    def _after_reducers(self, pipeline: str) -> set[str]:
        """Operators that get results only: frames are counted before them."""
        records = self.of(pipeline)
        reducers = {r.place.operator for r in records if r.place.role is Role.REDUCER}
        found: set[str] = set()
        for _ in records:  # as many steps as the longest path may have
            found |= {
                record.place.operator
                for record in records
                for entry in record.place.inputs
                if entry.source.partition(".")[0] in reducers | found
            }
        return found


def _record(config: OperatorConfig, replicas: int) -> OperatorRecord:
    """An operator whose replicas are numbered from 0."""
    return OperatorRecord(Place.of(config), {n: ReplicaRecord() for n in range(replicas)}, replicas)


def _expects(record: OperatorRecord, origin: str | None) -> bool:
    """Whether frames of a source come to an operator."""
    if origin is None or record.is_source:
        return origin is None or record.place.operator == origin
    roots = {lane.partition(">")[0] for entry in record.place.inputs for lane in entry.lanes}
    return origin in roots


def _note(known: dict[str, None], said: tuple[str, ...]) -> None:
    """Remember what was said, up to a bound: many processes may have much to say."""
    for words in said:
        if len(known) < MAX_WORDS:
            known[words] = None
