"""The pipeline every row of the table runs, what it is made from, and what must come out of it."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import DenseFrames, Image, Operator, Progress, Scan, _main, _spec
from interact.testing import run, split
from interact_api.choices import Storage
from interact_api.load import load
from interact_api.stream_plan import Plan, PlanSettings
from interact_api.streams import plan

OPERATORS = Path(__file__).resolve().parent / "operators"
MIB = 1 << 20
NAMESPACE, NAME = "chaos", "planted"


@dataclass(frozen=True)
class Graph:
    """Operators of a pipeline by name, with their code, and its edges."""

    code: Mapping[str, str]
    edges: Sequence[tuple[str, str]]


PLAIN = Graph(
    {"frames": "frames", "sums": "sums", "total": "total", "kept": "kept"},
    (("frames.out", "sums.frames"), ("sums.out", "total.part"), ("sums.out", "kept.part"),
     ("total.out", "kept.part")),
)  # fmt: skip
"""A source, a kernel with replicas, a reducer, and a sink that gets every frame and every picture."""
DIAMOND = Graph(
    {**PLAIN.code, "others": "sums", "pair": "pair"},
    (("frames.out", "sums.frames"), ("frames.out", "others.frames"), ("sums.out", "pair.left"),
     ("others.out", "pair.right"), ("pair.out", "total.part"), ("pair.out", "kept.part"),
     ("total.out", "kept.part")),
)  # fmt: skip
"""The same with two kernels that see every frame, and a join of what they make."""
ORDERED = Graph(
    {**PLAIN.code, "follow": "follow"},
    (("frames.out", "sums.frames"), ("sums.out", "follow.part"), ("follow.out", "total.part"),
     ("follow.out", "kept.part"), ("total.out", "kept.part")),
)  # fmt: skip
"""The plain one with an operator behind the kernel that takes frames in their order only."""
SHOWN = Graph({**PLAIN.code, "shown": "shown"}, (*PLAIN.edges, ("total.out", "shown.part")))
"""The plain one with a display of the pictures."""
ENDS = frozenset({"kept", "shown"})
"""Code without outputs."""


@dataclass(frozen=True)
class Setup:
    """How a row runs the pipeline.

    Attributes:
        storage: Of the streams of ports; the state is always in files.
        replicas: Of the kernel.
        ack_wait: Of all edges.
        attempts: Of all edges.
        max_bytes: Of each port's stream.
        port_bytes: Of the streams of single operators, where another.
        parameters: By operator.
        kernel_timeout: Of all operators, seconds.
        graph: Which operators there are.
        gate: Part of the scan after which the source waits to be let on; 0 for no gate.
    """

    storage: Storage = Storage.MEMORY
    replicas: int = 2
    ack_wait: str = "3s"
    attempts: int = 5
    max_bytes: int = 16 * MIB
    port_bytes: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kernel_timeout: float = 30.0
    graph: Graph = PLAIN
    gate: float = 0.6
    rows: int = 12
    columns: int = 40

    @property
    def total(self) -> int:
        """Frames of a scan."""
        return self.rows * self.columns

    def values(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The parameters of every operator."""
        gate = int(self.total * self.gate) if self.gate else -1
        given: dict[str, dict[str, Any]] = {
            "frames": {"folder": str(folder), "rows": self.rows, "columns": self.columns, "gate": gate},
            "kept": {"folder": str(folder)},
            "sums": {"folder": str(folder)},
        }  # fmt: skip
        given = {name: given.get(name, {}) for name in self.graph.code}
        for operator, values in self.parameters.items():
            given[operator] |= values
        return given


@cache
def operators() -> dict[str, Operator]:
    """The operators, by the name of their code."""
    return {one.stem: _main.found(one) for one in sorted(OPERATORS.glob("*.py"))}


def document(setup: Setup, folder: Path, name: str = NAME) -> dict[str, Any]:
    """The Pipeline object."""
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {
            "operators": [
                {"name": one, "operatorRef": {"name": setup.graph.code[one]}, "parameters": values,
                 **({"replicas": setup.replicas} if setup.graph.code[one] == "sums" else {}),
                 **_outputs(setup, one)}
                for one, values in setup.values(folder).items()
            ],
            "edges": [
                {"from": a, "to": b, "ackWait": setup.ack_wait, "attempts": setup.attempts}
                for a, b in setup.graph.edges
            ],
        },
    }  # fmt: skip


def _outputs(setup: Setup, operator: str) -> dict[str, Any]:
    if setup.graph.code[operator] in ENDS:
        return {}
    size = setup.port_bytes.get(operator, setup.max_bytes)
    delivery = {"storage": str(setup.storage), "maxBytes": size}
    return {"outputs": [{"name": "out", "delivery": delivery}]}


def planned(setup: Setup, folder: Path, *, name: str = NAME, namespace: str = NAMESPACE) -> Plan:
    """The streams and settings of a local run of it."""
    specs = "---\n".join(_spec.document(one) for one in operators().values())
    found = load(f"{specs}---\n{json.dumps(document(setup, folder, name))}", origin="chaos")
    settings = PlanSettings(
        namespace=namespace, installation="chaos", run=secrets.token_hex(16),
        storage=setup.storage, state_storage=Storage.FILE, max_bytes=setup.max_bytes,
        state_bytes=64 * MIB, dead_letter_bytes=16 * MIB, images_bytes=16 * MIB,
    )  # fmt: skip
    return plan(found.pipelines[0], found.catalogue(), settings)


@cache
def _expected(rows: int, columns: int, per_message: int, gone: frozenset[int], edge: int) -> Image:
    total = rows * columns
    planted = operators()["frames"].function.__globals__["planted"]
    scan = Scan("expected", (rows, columns))
    frames = DenseFrames(
        scan=scan, start=0, stop=total, total=total, data=planted(np.arange(total), edge)
    )
    parts = split(frames, per_message)
    sums = [run(operators()["sums"], part, size=per_message) for part in parts]
    kept = [part.select(~np.isin(part.index, list(gone)), reason="failed") for part in sums]
    reducer = operators()["total"].function()
    state = reducer.zero(scan)
    for part in kept:
        reducer.add(state, part)
    missing = {"failed": len(gone)} if gone else {}
    picture: Image = reducer.result(state, Progress(scan, total, total, missing))
    return picture


def expected(setup: Setup, gone: frozenset[int] = frozenset()) -> Image:
    """The result of a scan, computed here without any stream."""
    edge = setup.parameters.get("frames", {}).get("edge", 8)
    return _expected(setup.rows, setup.columns, 4, gone, edge)


def expected_totals(setup: Setup) -> npt.NDArray[np.int64]:
    """What each frame's line must say."""
    flat: npt.NDArray[np.int64] = expected(setup).channels["total"].reshape(-1)
    return flat
