"""Why nothing moves: which operator waits for what."""

from collections.abc import Iterator

from interact_api.board import Board
from interact_api.choices import Join
from interact_api.records import OperatorRecord


def explanation(board: Board, seconds: float) -> list[str]:
    """Lines that tell, for each operator that is not done, what it waits for."""
    lines = [f"nothing moved for {seconds:.0f} s and the run is not complete:"]
    for pipeline in board.pipelines:
        for record in board.of(pipeline):
            if record.states() != {"done"} or record.waiting:
                lines += [
                    f"  {record.place.operator}: {reason}" for reason in _reasons(board, record)
                ]
    for scan in board.scans():
        if not scan.complete:
            lines.append(
                f"  scan {scan.id}: {scan.covered} of {scan.total} frames are accounted for"
            )
    return lines


def _reasons(board: Board, record: OperatorRecord) -> Iterator[str]:
    starting = sum(state == "starting" for state in (r.state for r in record.replicas.values()))
    if starting:
        yield f"{starting} of {len(record.replicas)} replicas have not started to work"
    if record.is_source:
        blocked = record.count("blocked_seconds")
        sent = f"has sent {record.frames} frames and says it is {' and '.join(sorted(record.states()))}"
        full = f"; it waited {blocked:.0f} s for room in its streams" if blocked >= 1 else ""
        yield sent + full
        return
    pipeline = record.place.pipeline
    for entry in record.place.inputs:
        giver = board.operators[pipeline, entry.source.partition(".")[0]]
        if entry.join is Join.LATEST:
            if not giver.count("messages_out"):
                yield f"waits for a first value on side input {entry.port!r}; {entry.source} has sent none"
            continue
        waiting, held = record.pending.get((entry.stream, entry.durable), (0, 0))
        if waiting or held:
            yield f"has {waiting} messages waiting and {held} held on {entry.port!r} from {entry.source}"
        else:
            says = " and ".join(sorted(giver.states()))
            yield f"waits for frames on {entry.port!r} from {entry.source}, which is {says}"
