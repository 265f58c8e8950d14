"""How streams and their readers are: what waits on the edges of a pipeline, and its dead letters."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import nats.errors
from interact_api.choices import Join
from interact_api.config import InputConfig, OperatorConfig
from interact_api.flow import Edge, Letters

from interact._jetstream._connection import JetStream

LOOK_SECONDS = 5.0


async def edges(broker: JetStream, configs: Iterable[OperatorConfig]) -> tuple[Edge, ...]:
    """The edges that feed operators; those of streams or readers that are not there are left out.

    Costs one request for each stream and one for each edge.
    """
    found: list[Edge] = []
    streams: dict[str, Mapping[str, Any]] = {}
    for config in configs:
        for entry in config.inputs:
            if not entry.durable:
                continue
            if entry.stream not in streams:
                streams[entry.stream] = await _asked(broker, f"STREAM.INFO.{entry.stream}")
            reader = await _asked(broker, f"CONSUMER.INFO.{entry.stream}.{entry.durable}")
            if streams[entry.stream] and reader:
                found.append(_edge(config.operator, entry, streams[entry.stream], reader))
    return tuple(found)


async def letters(broker: JetStream, config: OperatorConfig) -> Letters | None:
    """The dead letters of an operator's pipeline; None where their stream is not there."""
    subject = f"STREAM.INFO.{config.dead_letter_stream}"
    told = await _asked(broker, subject, {"subjects_filter": ">"})
    if not told:
        return None
    state, limit = told["state"], int(told["config"].get("max_bytes", -1))
    counts = {name.rpartition(".")[2]: n for name, n in (state.get("subjects") or {}).items()}
    return Letters(config.pipeline, state["messages"], state["bytes"], limit, counts)


async def _asked(
    broker: JetStream, what: str, request: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An answer of JetStream's API; empty for what is not there, or a server that does not answer."""
    with suppress(nats.errors.Error, OSError, TimeoutError, ValueError):
        payload = json.dumps(request).encode() if request else b""
        message = await broker.client.request(f"$JS.API.{what}", payload, timeout=LOOK_SECONDS)
        answer = json.loads(message.data)
        if isinstance(answer, dict) and "error" not in answer:
            return answer
    return {}


def _edge(
    operator: str, entry: InputConfig, stream: Mapping[str, Any], reader: Mapping[str, Any]
) -> Edge:
    state, config = stream["state"], stream["config"]
    return Edge(
        source=entry.source,
        target=f"{operator}.{entry.port}",
        pending=reader.get("num_pending", 0),
        held=reader.get("num_ack_pending", 0),
        held_limit=reader["config"].get("max_ack_pending", 0),
        bytes=state.get("bytes", 0),
        bytes_limit=config.get("max_bytes", -1),
        refuses=config.get("discard") == "new",
        redelivered=reader.get("num_redelivered", 0),
        oldest_at=_seconds(state.get("first_ts", "")) if state.get("messages") else 0.0,
        acknowledged_at=_seconds((reader.get("ack_floor") or {}).get("last_active", "")),
        ack_wait_seconds=entry.ack_wait_seconds,
        joined=entry.join is Join.ZIP,
    )


def _seconds(time: str) -> float:
    """A time of the server (RFC 3339) as seconds since 1970; 0 for what is none."""
    try:
        return max(datetime.fromisoformat(time).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return 0.0
