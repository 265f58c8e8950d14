"""The numbers of a pipeline's status: operators, edges, scans."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from interact_api.board import Board, ScanView
from interact_api.conditions import Reason
from interact_api.flow import Edge
from interact_api.model import INT64
from interact_api.pipeline_status import (
    EdgeState,
    OperatorState,
    RefusedParameter,
    ScanPhase,
    ScanState,
)
from interact_api.plain import entries, mapping
from interact_api.records import Pace

from interact_controller import diagnosis
from interact_controller.desired.state import Desired
from interact_controller.diagnosis import Finding
from interact_controller.edges import letters
from interact_controller.observed import Observed

MOST_SCANS = 16
_LONGEST = 1000


def findings(observed: Observed, desired: Desired) -> dict[str, Finding]:
    """What is wrong, by operator; those that need nobody are left out."""
    found: dict[str, Finding] = {}
    for one in desired.workloads:
        live = observed.workloads.get(one.name)
        wanted = one.replicas if one.replicas is not None else (live.replicas if live else 1)
        if wanted == 0 and live is not None:
            continue
        trouble = diagnosis.finding(one.operator, one.image, live, observed.pods_of(one.operator))
        if trouble is None and live is not None and live.replicas != wanted:
            trouble = Finding(Reason.STARTING, f"{one.operator}: {wanted} replicas are asked for")
        if trouble is not None:
            found[one.operator] = trouble
    return found


def operators(
    observed: Observed, desired: Desired, troubles: Mapping[str, Finding]
) -> Iterator[OperatorState]:
    """One entry for each operator."""
    kept = letters(observed)
    for one in desired.workloads:
        live = observed.workloads.get(one.name)
        record = observed.board.operators.get((observed.name, one.operator))
        replicas = one.replicas if one.replicas is not None else (live.replicas if live else 1)
        refused: dict[str, str] = {}
        revisions: list[int] = []
        for replica in record.present if record is not None else ():
            if replica.report is not None:
                revisions.append(replica.report.revision)
                refused.update(replica.report.refused)
        trouble = troubles.get(one.operator)
        scaled = observed.scaled.get(one.operator)
        pace = record.pace() if record is not None and replicas else Pace()
        yield OperatorState(
            name=one.operator,
            image=one.image,
            ready=min(live.ready, 10_000) if live is not None else 0,
            replicas=replicas,
            frames_per_second=rounded(pace.frames),
            bytes_per_second=rounded(pace.bytes),
            parameter_revision=max(min(revisions, default=0), 0),
            refused_parameters=tuple(
                RefusedParameter(name=name, message=words[:_LONGEST])
                for name, words in sorted(refused.items())
                if name in desired.configs[one.operator].parameters
            ),
            message=trouble.message[:_LONGEST] if trouble is not None else "",
            kernel_seconds_per_message=rounded(pace.message_seconds or 0.0),
            delay_p50_seconds=rounded(pace.delay_p50 or 0.0),
            delay_p99_seconds=rounded(pace.delay_p99 or 0.0),
            scale_message=scaled.why if scaled is not None else "",
            dead_letters=kept.by_operator.get(one.operator, 0) if kept is not None else 0,
            **_runs_of(observed, desired, one.operator),
        )


def _runs_of(observed: Observed, desired: Desired, operator: str) -> dict[str, dict[str, int]]:
    """The field with the runs of an external operator; none for others."""
    if not desired.configs[operator].most_runs:
        return {}
    return {"external_runs": runs(phase for name, phase in observed.runs if name == operator)}


def runs(phases: Iterable[str]) -> dict[str, int]:
    """How many external runs there are in each phase, sorted."""
    return dict(sorted(Counter(phases).items()))


def rounded(rate: float) -> float:
    """A rate as it is shown: two digits, so that noise is no news."""
    return float(f"{rate:.2g}")


def edges(observed: Observed, seen: Sequence[Edge], now: datetime) -> Iterator[EdgeState]:
    """One entry for each edge whose stream is there."""
    kept = letters(observed)
    by_operator = kept.by_operator if kept is not None else {}
    for one in seen:
        yield EdgeState(
            source=one.source,
            target=one.target,
            pending_messages=one.pending,
            pending_bytes=one.bytes,
            bytes_limit=max(one.bytes_limit, 0),
            ack_pending_messages=one.held,
            oldest_message_time="" if one.idle else _time(one.oldest_at),
            redelivered=one.redelivered,
            dead_lettered=by_operator.get(one.reader, 0),
            stuck=bool(one.still(now.timestamp())),
        )


def _time(seconds: float) -> str:
    """Seconds since 1970 as Kubernetes writes times; empty for none."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else ""


def scans(board: Board, pipeline: str, before: Mapping[str, Any]) -> tuple[ScanState, ...]:
    """The latest scans; those a former controller told of stay until others take their place."""
    kept = {
        str(one.get("id")): ScanState.model_validate(one)
        for one in map(mapping, entries(before.get("scans")))
    }
    for view in board.scans():
        if view.pipeline == pipeline and len(view.id) <= 253:
            kept[view.id] = _scan(view)
    return tuple(kept.values())[-MOST_SCANS:]


def _scan(view: ScanView) -> ScanState:
    state = ScanPhase.RUNNING
    if view.complete:
        state = ScanPhase.INCOMPLETE if view.unintended else ScanPhase.COMPLETE
    share = view.covered / view.total if view.total else 0.0
    return ScanState(
        id=view.id,
        state=state,
        completeness=min(max(round(share, 3), 0.0), 1.0),
        frames=_count(view.total),
        missing=_count(view.unintended),
    )


def _count(said: int) -> int:
    """A count that a pod told of, as Kubernetes takes it."""
    return min(max(said, 0), INT64 - 1)
