"""A pipeline of a local run as a cluster would show it: specification and status as one object."""

import time
from datetime import UTC, datetime
from typing import Any

from interact_api.board import Board
from interact_api.flow import Edge, Letters
from interact_api.records import OperatorRecord

from interact.cli.specification import Specification


def resource(
    board: Board, specification: Specification, namespace: str, phase: str
) -> dict[str, Any]:
    """The object, with the values of now, who set them, and what the operators do.

    Args:
        board: What they told.
        specification: The parameters.
        namespace: Of the pipeline.
        phase: In one word.
    """
    found: dict[str, Any] = specification.pipeline.to_object()
    name = specification.pipeline.metadata.name
    values = specification.values
    for one in found["spec"]["operators"]:
        one["parameters"] = {
            key: value for key, value in values[one["name"]].items() if value is not None
        }
    found["metadata"] = {
        **found["metadata"], "namespace": namespace, "generation": specification.revision,
    }  # fmt: skip
    records = board.of(name)
    found["status"] = {
        "phase": phase,
        "operators": [_operator(record, board.letters.get(name)) for record in records],
        "edges": [_edge(edge, board.letters.get(name)) for edge in board.edges.get(name, ())],
        "conditions": [
            {"type": one.type, "status": "True", "reason": one.reason, "message": one.message}
            for one in board.troubles.get(name, ())
        ],
        "authors": specification.authors,
    }
    return found


def _operator(record: OperatorRecord, letters: Letters | None) -> dict[str, Any]:
    pace = record.pace()
    replicas = [one for one in record.replicas.values() if one.report is not None]
    refused = {
        name: why for one in replicas if one.report for name, why in one.report.refused.items()
    }
    return {
        "name": record.place.operator,
        "ready": record.ready,
        "replicas": record.expected,
        "framesPerSecond": round(pace.frames, 1),
        "bytesPerSecond": round(pace.bytes, 1),
        "parameterRevision": min(
            (one.report.revision for one in replicas if one.report), default=0
        ),
        "kernelSecondsPerMessage": pace.message_seconds or 0.0,
        "delayP50Seconds": pace.delay_p50 or 0.0,
        "delayP99Seconds": pace.delay_p99 or 0.0,
        "deadLetters": letters.by_operator.get(record.place.operator, 0) if letters else 0,
        "refusedParameters": [
            {"name": name, "message": why} for name, why in sorted(refused.items())
        ],
    }


def _edge(edge: Edge, letters: Letters | None) -> dict[str, Any]:
    oldest = datetime.fromtimestamp(edge.oldest_at, UTC)
    return {
        "from": edge.source,
        "to": edge.target,
        "pendingMessages": edge.pending,
        "pendingBytes": edge.bytes,
        "bytesLimit": max(edge.bytes_limit, 0),
        "ackPendingMessages": edge.held,
        "oldestMessageTime": ""
        if edge.idle or not edge.oldest_at
        else f"{oldest:%Y-%m-%dT%H:%M:%SZ}",
        "redelivered": edge.redelivered,
        "deadLettered": letters.by_operator.get(edge.reader, 0) if letters else 0,
        "stuck": bool(edge.still(time.time())),
    }
