"""What a run did, as one document and as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from interact_api.board import Board
from interact_api.records import OperatorRecord

from interact import _server
from interact.cli.exits import Exit
from interact.cli.runner import Ending, Run


def verdict(
    board: Board, ending: Ending, letters: Mapping[str, int] = MappingProxyType({})
) -> Ending:
    """The ending with what the counters say: a run that came to its end may still lack frames.

    Args:
        board: What was told.
        ending: How the run ended.
        letters: Dead letters that are left, by pipeline, where somebody looked.
    """
    if ending.code is not Exit.COMPLETE:
        return ending
    scans = list(board.scans())
    failed = sum(record.failed for record in board.operators.values())
    came_again = letters and not any(letters.values())
    if failed and not (came_again and not any(scan.missing.get("failed") for scan in scans)):
        return Ending(Exit.FAILED, (*ending.lines, *_failed(failed, letters)))
    incomplete = [scan for scan in scans if not scan.complete or scan.unintended]
    if incomplete:
        lost = sum(scan.total - scan.covered + scan.unintended for scan in incomplete)
        words = f"{_counted(lost, 'frame')} of {_counted(len(incomplete), 'scan')} missing"
        return Ending(Exit.INCOMPLETE, (*ending.lines, words))
    return ending


def _failed(failed: int, letters: Mapping[str, int]) -> tuple[str, ...]:
    words = [f"{_counted(failed, 'frame')} failed; see the errors"]
    for name, count in letters.items():
        if count:
            words.append(
                f"{_counted(count, 'dead letter')}: while a run with --stay lasts, look with "
                f"interact dlq list {name}, mend it, then interact dlq redrive {name} --all"
            )
    return tuple(words)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def document(run: Run, ending: Ending, seconds: float) -> dict[str, Any]:
    """The whole run as JSON types; the text says the same.

    Rates are averages from a source's first frame to an operator's last, known to half a second.
    """
    board = run.board
    return {
        "exit": {
            "code": int(ending.code),
            "name": ending.code.name,
            "meaning": ending.code.meaning,
        },
        "messages": list(ending.lines),
        "seconds": round(seconds, 3),
        "run": run.plan.run,
        "namespace": run.plan.namespace,
        "nats": _server.shown(run.nats_url),
        "logs": str(run.options.logs),
        "pipelines": [_pipeline(run, board, name) for name in board.pipelines],
    }


def _pipeline(run: Run, board: Board, name: str) -> dict[str, Any]:
    records = board.of(name)
    return {
        "name": name,
        "operators": [_operator(board, record) for record in records],
        "scans": [
            {
                "id": scan.id,
                "total": scan.total,
                "covered": scan.covered,
                "complete": scan.complete,
                "state": scan.state,
                "missing": dict(scan.missing),
                "shape": list(scan.shape),
            }
            for scan in board.scans()
            if scan.pipeline == name
        ],
        "conditions": [
            {"type": one.type, "reason": one.reason, "message": one.message}
            for one in board.troubles.get(name, ())
        ],
        "warnings": _words(records, "warnings"),
        "errors": _words(records, "errors"),
        "dead_letters": run.letters.get(name),
        "parameters": run.specifications[name].values,
        "pictures": [str(file) for file in run.pictures.get(name, [])],
    }


def _operator(board: Board, record: OperatorRecord) -> dict[str, Any]:
    started = board.flow_began_at
    span = 0.0 if started is None or record.moved_at is None else record.moved_at - started
    return {
        "name": record.place.operator,
        "role": str(record.place.role),
        "replicas": len(record.replicas),
        "frames": record.frames,
        "frames_per_second": round(record.frames / span, 1) if span > 0 else 0.0,
        "megabytes_per_second": round(record.bytes / span / 1e6, 3) if span > 0 else 0.0,
        "frames_in": int(record.count("frames_in")),
        "frames_out": int(record.count("frames_out")),
        "messages_in": int(record.count("messages_in")),
        "messages_out": int(record.count("messages_out")),
        "frames_failed": int(record.count("frames_failed")),
        "undecodable": int(record.count("undecodable")),
        "redelivered": int(record.count("redelivered")),
        "restarts": sum(replica.restarts for replica in record.replicas.values()),
        "kernel_seconds": round(record.count("kernel_seconds"), 3),
        "blocked_seconds": round(record.count("blocked_seconds"), 3),
    }


def _words(records: Sequence[OperatorRecord], kind: str) -> list[str]:
    return list(
        dict.fromkeys(
            f"{one.place.operator}: {text}" for one in records for text in getattr(one, kind)
        )
    )


def text(said: Mapping[str, Any]) -> str:
    """The document for people; columns line up."""
    several = len(said["pipelines"]) > 1
    lines: list[str] = []
    for pipeline in said["pipelines"]:
        lines += [f"pipeline {pipeline['name']}"] if several else []
        lines += _table(
            ("operator", "frames", "frames/s", "MB/s", "failed", "restarts"),
            [
                (
                    f"{one['name']} x{one['replicas']}" if one["replicas"] > 1 else one["name"],
                    f"{one['frames']:,}",
                    f"{one['frames_per_second']:,.0f}",
                    f"{one['megabytes_per_second']:,.1f}",
                    f"{one['frames_failed'] + one['undecodable']:,}",
                    f"{one['restarts']:,}",
                )
                for one in pipeline["operators"]
            ],
        )
        if pipeline["scans"]:
            lines += [
                "",
                *_table(("scan", "total", "covered", "missing"), _scans(pipeline["scans"])),
            ]
        lines += [
            f"{one['type']} ({one['reason']}): {one['message']}"
            for one in pipeline.get("conditions", ())
        ]
        for kind in ("warnings", "errors"):
            lines += [f"{kind[:-1]}: {word}" for word in pipeline[kind]]
        drawn = [file for file in pipeline["pictures"] if file.endswith(".png")]
        if drawn:
            lines += [
                f"pictures: {', '.join(Path(file).name for file in drawn)} in {Path(drawn[0]).parent}"
            ]
        lines.append("")
    lines.append(f"{said['exit']['meaning']} ({said['seconds']:.1f} s)")
    return "\n".join(lines)


def _scans(scans: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            scan["id"],
            f"{scan['total']:,}",
            f"{scan['covered']:,}",
            ", ".join(f"{frames:,} {reason}" for reason, frames in scan["missing"].items()) or "0",
        )
        for scan in scans
    ]


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (titles, *rows)) for i in range(len(titles))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (titles, *rows)
    ]
