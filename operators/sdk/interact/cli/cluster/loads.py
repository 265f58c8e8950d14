"""`interact top`: what pipelines carry at the moment, from their status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interact_api.plain import entries, mapping
from rich.markup import escape
from rich.table import Table

from interact.cli.cluster.api import Object

TITLES = ("operator", "ready", "frames/s", "MB/s", "pending", "pending MB", "dead", "")


@dataclass(frozen=True)
class Load:
    """One operator's share; what is pending and dead is so on the edges to it."""

    pipeline: str
    operator: str
    ready: int
    replicas: int
    frames_per_second: float
    bytes_per_second: float | None
    pending_messages: int
    pending_bytes: int
    dead: int
    message: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row without the operator's name."""
        size = self.bytes_per_second
        return (
            f"{self.ready}/{self.replicas}",
            f"{self.frames_per_second:,.0f}",
            "-" if size is None else f"{size / 1e6:,.1f}",
            f"{self.pending_messages:,}",
            f"{self.pending_bytes / 1e6:,.1f}",
            f"{self.dead:,}",
        )


def loads(pipeline: Object) -> Iterator[Load]:
    """The operators of a pipeline, in its order."""
    name, status = pipeline["metadata"]["name"], mapping(pipeline.get("status"))
    known = {one.get("name"): mapping(one) for one in entries(status.get("operators"))}
    edges = entries(status.get("edges"))
    for one in entries(mapping(pipeline.get("spec")).get("operators")):
        state = known.get(one["name"], {})
        mine = [edge for edge in edges if str(edge.get("to")).partition(".")[0] == one["name"]]
        yield Load(
            pipeline=name,
            operator=one["name"],
            ready=state.get("ready", 0),
            replicas=state.get("replicas", 0),
            frames_per_second=state.get("framesPerSecond", 0.0),
            bytes_per_second=state.get("bytesPerSecond"),
            pending_messages=sum(edge.get("pendingMessages", 0) for edge in mine),
            pending_bytes=sum(edge.get("pendingBytes", 0) for edge in mine),
            dead=sum(edge.get("deadLettered", 0) for edge in mine),
            message=state.get("message", ""),
        )


def rows(pipelines: Sequence[Object], *, spaces: bool = False) -> list[tuple[str, ...]]:
    """A row for each pipeline with its phase, and one for each of its operators below it."""
    found = []
    for one in pipelines:
        about, status = one["metadata"], mapping(one.get("status"))
        where = f"{about.get('namespace')}/" if spaces else ""
        phase = str(status.get("phase", "not seen by a controller yet"))
        found.append((f"{where}{about['name']}", *[""] * (len(TITLES) - 2), phase))
        found += [(f"  {load.operator}", *load.cells, load.message) for load in loads(one)]
    return found


def table(pipelines: Sequence[Object], *, spaces: bool = False) -> Table:
    """The rows, drawn for a terminal."""
    drawn = Table(box=None, pad_edge=False)
    for number, title in enumerate(TITLES):
        right = 0 < number < len(TITLES) - 1
        drawn.add_column(title, justify="right" if right else "left")
    for row in rows(pipelines, spaces=spaces):
        drawn.add_row(*map(escape, row))
    return drawn
