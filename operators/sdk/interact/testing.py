"""Test a kernel, or several operators over a real NATS, in three lines.

from interact.testing import frames, run

scan = frames(shape=(4, 4, 48, 64), disk=(20, 40, 10))
assert run(bright_field, scan, center_y=20, center_x=40, radius=12).electrons.min() > 0
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from interact_api import report
from interact_api.choices import Storage
from interact_api.load import load
from interact_api.stream_plan import PlanSettings
from interact_api.streams import plan

from interact import _calling, _codec, _jetstream, _runtime, _server, _spec
from interact._batches import Batch, Bytes, DenseFrames, Image, SparseFrames
from interact._concatenation import concatenate
from interact._errors import OperatorError
from interact._kernel import Kernel, settled
from interact._operator import Operator, operator, source
from interact._reducer import Progress
from interact._reducing import configured
from interact._scan import Scan, Tombstone

__all__ = ["concatenate", "frames", "pipeline", "run", "sparse", "split"]

TIMEOUT_SECONDS = 60.0
STORE_BYTES = 64 << 20


def frames(
    shape: tuple[int, int, int, int] = (4, 6, 48, 64),
    *,
    disk: tuple[float, float, float] = (20, 40, 10),
    dose: int = 500,
    seed: int = 1,
    scan: Scan | None = None,
) -> DenseFrames:
    """A whole scan of Poisson counts inside a disk; non-square and off-centre by default.

    Args:
        shape: (scan rows, scan columns, detector rows, detector columns).
        disk: Centre y, centre x and radius, pixels.
        dose: Mean counts in a frame.
        seed: The same seed gives the same frames.
        scan: The scan they belong to, if not a raster of ``shape``.

    Raises:
        ValueError: If the disk misses the detector.
    """
    y, x = np.ogrid[: shape[2], : shape[3]]
    inside = (y - disk[0]) ** 2 + (x - disk[1]) ** 2 <= disk[2] ** 2
    if not inside.any():
        raise ValueError(
            f"disk {disk} misses a detector of {shape[2]} x {shape[3]}; move its centre"
        )
    rates = inside * (dose / inside.sum())
    n = shape[0] * shape[1]
    data = np.random.default_rng(seed).poisson(rates, (n, *shape[2:])).astype(np.uint16)
    made = scan or Scan("test", shape[:2])
    return DenseFrames(scan=made, start=0, stop=n, total=n, data=data, lane="test")


def sparse(dense: DenseFrames) -> SparseFrames:
    """The same frames as events: one for each pixel that is not zero, with its count."""
    frame, rows, columns = np.nonzero(dense.data)
    offsets = np.searchsorted(frame, np.arange(len(dense) + 1))
    counts = dense.data[frame, rows, columns].astype(np.uint16)
    return dense.sparse(
        rows.astype(np.int16), columns.astype(np.int16), offsets, dense.shape, counts
    )


def split(batch: Batch, size: int = 5) -> list[Batch]:
    """The batch as messages of ``size`` frames, each encoded and decoded as on the wire."""
    index = batch.index
    parts: list[Batch] = []
    for start in range(batch.start, batch.stop, size):
        stop = min(start + size, batch.stop)
        part = batch.select((index >= start) & (index < stop))
        inside = tuple(
            Tombstone(gap.reason, max(gap.start, start), min(gap.stop, stop))
            for gap in batch.tombstones
            if gap.start < stop and gap.stop > start
        )
        cut = part.replace(start=start, stop=stop, tombstones=inside)
        parts.append(_codec.decode(_codec.encode(cut, identity=bytes(16)))[1])
    return parts or [batch]


def run(target: Operator, batch: Batch, *, size: int = 5, seed: int = 0, **parameters: Any) -> Any:
    """Run one operator on a scan, cut into messages, without NATS.

    Args:
        target: A kernel or a reducer.
        batch: The scan, or a part of it.
        size: Frames in a message.
        seed: Messages reach a reducer in a random order; the seed names it.
        **parameters: The operator's.

    Returns:
        A kernel's outputs put together (by port where it has several), a reducer's final result.

    Raises:
        OperatorError: If a parameter is not the operator's.
    """
    unknown = set(parameters) - {p.name for p in target.parameters}
    if unknown and target.role != "classic":
        raise OperatorError(f"operator {target.name} has no parameter {sorted(unknown)[0]!r}")
    parts: list[Batch] = [batch] if isinstance(batch, Image | Bytes) else split(batch, size)
    if target.role == "reducer":
        return _reduced(target, parts, seed, parameters)
    kernel = Kernel(target, parameters)
    with _runtime.resources(target) as kernel.resources:
        done = [_calling.tried(target, kernel, part, TIMEOUT_SECONDS) for part in parts]
    outputs = {
        name: concatenate(
            [settled(part, result[name], ()) for part, result in zip(parts, done, strict=True)]
        )
        for name in done[0]
    }
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs or None


def _reduced(target: Operator, parts: list[Batch], seed: int, parameters: Mapping[str, Any]) -> Any:
    reducer = configured(target.function, target.parameters, dict(parameters))
    scan = parts[0].scan
    state = reducer.zero(scan)
    for part in random.Random(seed).sample(parts, len(parts)):  # noqa: S311  # an order, no secret
        if len(part):
            reducer.add(state, part)
    missing: dict[str, int] = {}
    for gap in (gap for part in parts for gap in part.tombstones):
        missing[gap.reason] = missing.get(gap.reason, 0) + gap.stop - gap.start
    covered = sum(part.stop - part.start for part in parts)
    return reducer.result(state, Progress(scan, covered, scan.total, missing))


def pipeline(
    batch: Batch,
    *chain: Operator,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    replicas: Mapping[str, int] | None = None,
    edges: Sequence[tuple[str, str]] | None = None,
    size: int = 5,
    may_fail: bool = False,
    folder: Path | None = None,
) -> list[Batch]:
    """Send a scan through operators over a real nats-server.

    Args:
        batch: The scan; it leaves an operator called "given" by its port "out".
        *chain: The operators, in the order they feed each other.
        parameters: Values by operator and parameter.
        replicas: How many replicas of an operator, one where left out.
        edges: Pairs of "operator.port"; a chain over first ports when left out. What reaches
            "collect.part" is returned.
        size: Frames in a message.
        may_fail: Whether frames may fail; otherwise the first reason is raised.
        folder: Where the server keeps its store; a temporary one when left out.

    Returns:
        Everything that left the last operator, in the order of arrival.

    Raises:
        OperatorError: If a kernel or reducer failed on a frame.
    """
    with _server.nats_server(folder=folder) as server:
        arrived, errors = asyncio.run(
            asyncio.wait_for(
                _flow(server, batch, chain, parameters or {}, replicas or {}, edges, size),
                TIMEOUT_SECONDS,
            )
        )
    if errors and not may_fail:
        raise OperatorError("; ".join(sorted(errors)))
    return arrived


async def _flow(
    server: _server.Server,
    batch: Batch,
    chain: tuple[Operator, ...],
    parameters: Mapping[str, Mapping[str, Any]],
    replicas: Mapping[str, int],
    edges: Sequence[tuple[str, str]] | None,
    size: int,
) -> tuple[list[Batch], set[str]]:
    arrived: list[Batch] = []
    errors: set[str] = set()
    operators = [_given(batch, size), *chain, _collector(arrived)]
    text = "---\n".join(_spec.document(op) for op in operators)
    text += "---\n" + _pipeline_yaml(operators, parameters, replicas, edges)
    resources = load(text, origin="interact.testing")
    specs = {op.metadata.name: op for op in resources.operators}
    planned = plan(
        resources.pipelines[0], specs,
        PlanSettings(
            namespace="test", installation="test", run="0" * 16,
            storage=Storage.MEMORY, state_storage=Storage.MEMORY,
            max_bytes=STORE_BYTES, state_bytes=STORE_BYTES,
        ),
    )  # fmt: skip
    stop = asyncio.Event()
    async with _jetstream.connect(server.url, name="test", token=server.token) as broker:
        for stream in planned.streams:
            await broker.make(stream)
        await broker.make_bucket(planned.bucket)
        finished = asyncio.Event()

        async def heard(payload: bytes, _: str) -> None:
            told = report.decode(payload)
            errors.update(told.errors)
            if told.state == "done" and told.operator == "collect":
                finished.set()

        for config in planned.operators.values():
            await broker.watch(f"{config.status_subject}.>", heard)
        async with asyncio.TaskGroup() as group:
            for op in reversed(operators):
                for replica in range(replicas.get(op.name, 1)):
                    config = planned.operators[op.name]
                    group.create_task(
                        _runtime.serve(op, config, broker, replica=replica, stop=stop)
                    )
            await finished.wait()
            stop.set()
        await broker.flush()
    return arrived, errors


def _given(batch: Batch, size: int) -> Operator:
    @source(name="given", outputs={"out": batch.kind})
    def given() -> Iterator[Batch]:
        """The scan of the test."""
        yield from split(batch, size)

    return given


def _collector(arrived: list[Batch]) -> Operator:
    @operator(name="collect")
    def collect(part: Batch) -> None:
        """What the test looks at."""
        arrived.append(part)

    return collect


def _pipeline_yaml(
    operators: Sequence[Operator],
    parameters: Mapping[str, Mapping[str, Any]],
    replicas: Mapping[str, int],
    edges: Sequence[tuple[str, str]] | None,
) -> str:
    entries = [
        {
            "name": op.name,
            "operatorRef": {"name": op.name},
            "parameters": dict(parameters.get(op.name, {})),
            **({"replicas": replicas[op.name]} if op.name in replicas else {}),
        }
        for op in operators
    ]
    pairs = edges or [
        (f"{a.name}.{a.outputs[0].name}", f"{b.name}.{b.inputs[0].name}")
        for a, b in itertools.pairwise(operators)
    ]
    return yaml.safe_dump(
        {
            "apiVersion": "interact.science/v1alpha1",
            "kind": "Pipeline",
            "metadata": {"name": "test"},
            "spec": {"operators": entries, "edges": [{"from": a, "to": b} for a, b in pairs]},
        }
    )
