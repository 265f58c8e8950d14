"""`interact top`: what pipelines carry at the moment, from their status."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from interact_api.conditions import ConditionType
from interact_api.plain import entries, mapping
from rich.markup import escape
from rich.table import Table

from interact.cli.cluster.api import Object

ABNORMAL = frozenset(
    {
        ConditionType.BACK_PRESSURED, ConditionType.DEADLOCKED, ConditionType.STUCK,
        ConditionType.DEAD_LETTERING, ConditionType.DEAD_LETTER_FULL, ConditionType.BREAKER_OPEN,
    }
)  # fmt: skip
TITLES = (
    "operator", "ready", "frames/s", "MB/s", "work ms", "p50 ms", "p99 ms", "pending", "held",
    "MB", "age s", "again", "dead", "",
)  # fmt: skip
"""``work`` for one message; p50 and p99 from the source to here; what is pending, held, given again
and how old the oldest message is, on the edges to the operator."""


LEAST_NEEDED = ("again", "held", "MB", "p50 ms", "work ms", "age s", "MB/s", "p99 ms")
"""Columns in the order in which a narrow terminal goes without them."""
WORDS_WIDTH = 16


@dataclass(frozen=True)
class Load:
    """One operator's share; what is pending is so on the edges to it."""

    pipeline: str
    operator: str
    ready: int = 0
    replicas: int = 0
    frames_per_second: float = 0.0
    bytes_per_second: float | None = None
    work_seconds: float = 0.0
    delay_p50_seconds: float = 0.0
    delay_p99_seconds: float = 0.0
    pending_messages: int = 0
    held_messages: int = 0
    pending_bytes: int = 0
    oldest_at: datetime | None = None
    redelivered: int = 0
    dead: int = 0
    stuck: bool = False
    message: str = ""

    def cells(self, now: datetime) -> tuple[str, ...]:
        """The row without the operator's name."""
        size = self.bytes_per_second
        age = (now - self.oldest_at).total_seconds() if self.oldest_at is not None else 0.0
        said = [text for text in ("STUCK" if self.stuck else "", self.message) if text]
        return (
            f"{self.ready}/{self.replicas}",
            f"{self.frames_per_second:,.0f}",
            "-" if size is None else f"{size / 1e6:,.1f}",
            *map(
                _milliseconds, (self.work_seconds, self.delay_p50_seconds, self.delay_p99_seconds)
            ),
            f"{self.pending_messages:,}",
            f"{self.held_messages:,}",
            f"{self.pending_bytes / 1e6:,.1f}",
            f"{max(age, 0):,.0f}" if self.oldest_at is not None else "-",
            f"{self.redelivered:,}",
            f"{self.dead:,}",
            ": ".join(said),
        )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.{0 if seconds >= 0.1 else 2}f}" if seconds else "-"


def loads(pipeline: Object) -> Iterator[Load]:
    """The operators of a pipeline, in its order."""
    name, status = pipeline["metadata"]["name"], mapping(pipeline.get("status"))
    known = {one.get("name"): mapping(one) for one in entries(status.get("operators"))}
    edges = [mapping(one) for one in entries(status.get("edges"))]
    for one in entries(mapping(pipeline.get("spec")).get("operators")):
        state = known.get(one["name"], {})
        mine = [edge for edge in edges if str(edge.get("to")).partition(".")[0] == one["name"]]
        oldest = [at for edge in mine if (at := _time(str(edge.get("oldestMessageTime") or "")))]
        yield Load(
            pipeline=name,
            operator=one["name"],
            ready=state.get("ready", 0),
            replicas=state.get("replicas", 0),
            frames_per_second=state.get("framesPerSecond", 0.0),
            bytes_per_second=state.get("bytesPerSecond"),
            work_seconds=state.get("kernelSecondsPerMessage", 0.0),
            delay_p50_seconds=state.get("delayP50Seconds", 0.0),
            delay_p99_seconds=state.get("delayP99Seconds", 0.0),
            pending_messages=sum(edge.get("pendingMessages", 0) for edge in mine),
            held_messages=sum(edge.get("ackPendingMessages", 0) for edge in mine),
            pending_bytes=sum(edge.get("pendingBytes", 0) for edge in mine),
            oldest_at=min(oldest, default=None),
            redelivered=sum(edge.get("redelivered", 0) for edge in mine),
            dead=state.get("deadLetters", 0),
            stuck=any(edge.get("stuck") is True for edge in mine),
            message=state.get("message") or state.get("scaleMessage", "") or runs(state),
        )


def runs(state: Object) -> str:
    """The external runs of an operator by phase, as "external runs: 1 FAILED, 3 RUNNING"."""
    found = mapping(state.get("externalRuns"))
    counts = ", ".join(f"{count} {phase}" for phase, count in sorted(found.items()))
    return f"external runs: {counts}" if counts else ""


def _time(text: str) -> datetime | None:
    """A time of Kubernetes; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def rows(
    pipelines: Sequence[Object], *, spaces: bool = False, now: datetime | None = None
) -> list[tuple[str, ...]]:
    """A row for each pipeline with its phase, and one for each of its operators below it.

    Args:
        pipelines: The objects.
        spaces: Whether to say their namespaces.
        now: The time by which messages have an age; the present if left out.
    """
    now = now or datetime.now(UTC)
    found = []
    for one in pipelines:
        about, status = one["metadata"], mapping(one.get("status"))
        where = f"{about.get('namespace')}/" if spaces else ""
        phase = str(status.get("phase", "not seen by a controller yet"))
        found.append((f"{where}{about['name']}", *[""] * (len(TITLES) - 2), phase))
        found += [(f"  {load.operator}", *load.cells(now)) for load in loads(one)]
        found += [("", *[""] * (len(TITLES) - 2), words) for words in _abnormal(status)]
    return found


def _abnormal(status: Object) -> Iterator[str]:
    """What is wrong with the frames, as the conditions have it."""
    for one in map(mapping, entries(status.get("conditions"))):
        if one.get("type") in ABNORMAL and one.get("status") == "True":
            yield f"{one.get('type')}: {one.get('message', '')}"


def table(pipelines: Sequence[Object], *, spaces: bool = False, width: int | None = None) -> Table:
    """The rows, drawn for a terminal; columns that it has no room for are left out.

    Args:
        pipelines: The objects.
        spaces: Whether to say their namespaces.
        width: Characters in a line; the terminal's own if left out.
    """
    found = rows(pipelines, spaces=spaces)
    shown = _fitting(found, width or shutil.get_terminal_size().columns)
    drawn = Table(box=None, pad_edge=False)
    for number in shown:
        right = 0 < number < len(TITLES) - 1
        drawn.add_column(TITLES[number], justify="right" if right else "left", no_wrap=right)
    for row in found:
        drawn.add_row(*(escape(row[number]) for number in shown))
    return drawn


def _fitting(found: Sequence[tuple[str, ...]], width: int) -> list[int]:
    """Columns that fit into a line beside some words of what is wrong, without the least needed."""
    shown = list(range(len(TITLES)))
    wide = [max(len(row[number]) for row in (TITLES, *found)) + 1 for number in shown[:-1]]
    for title in LEAST_NEEDED:
        if sum(wide[number] for number in shown[:-1]) + WORDS_WIDTH <= width:
            break
        shown.remove(TITLES.index(title))
    return shown
