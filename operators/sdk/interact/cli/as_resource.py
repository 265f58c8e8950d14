"""A pipeline of a local run as a cluster would show it: specification and status as one object. Pure."""

from collections.abc import Iterator
from typing import Any

from interact_api.board import Board
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
        "operators": [_operator(record) for record in records],
        "edges": [edge for record in records for edge in _edges(record)],
        "authors": specification.authors,
    }
    return found


def _operator(record: OperatorRecord) -> dict[str, Any]:
    frames, size = record.rates()
    replicas = [one for one in record.replicas.values() if one.report is not None]
    refused = {
        name: why for one in replicas if one.report for name, why in one.report.refused.items()
    }
    return {
        "name": record.config.operator,
        "ready": record.ready,
        "replicas": record.expected,
        "framesPerSecond": round(frames, 1),
        "bytesPerSecond": round(size, 1),
        "parameterRevision": min(
            (one.report.revision for one in replicas if one.report), default=0
        ),
        "refusedParameters": [
            {"name": name, "message": why} for name, why in sorted(refused.items())
        ],
    }


def _edges(record: OperatorRecord) -> Iterator[dict[str, Any]]:
    for entry in record.config.inputs:
        if entry.durable:
            waiting, held = record.pending.get((entry.stream, entry.durable), (0, 0))
            yield {
                "from": entry.source,
                "to": f"{record.config.operator}.{entry.port}",
                "pendingMessages": waiting,
                "ackPendingMessages": held,
            }
