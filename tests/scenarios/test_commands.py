"""What people do about a run on a cluster: failed frames, scans that are given up, triggers, a look."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos import pipeline
from chaos.node import PIPELINE, NodeRun, OnNode
from chaos.pipeline import Setup
from cli.cluster.labs import Lab
from cluster.kube import Kube
from cluster.node import Node

from scenarios.stage import Stage

pytestmark = [pytest.mark.nats, pytest.mark.timeout(240)]

BAD, WORSE = 201, 400
SETUP = Setup(
    parameters={"sums": {"bad": BAD}, "frames": {"scans": 3, "pause": 0.1, "per_message": 4}}
)


class Person:
    """Somebody with a kubeconfig, and the address of NATS where there is no Service of it."""

    def __init__(self, stage: Stage, kube: Kube) -> None:
        self._lab = Lab(kube, stage.plane.kubeconfig, kube.namespace)
        self._nats = ["--nats", stage.nats.url, "--nats-token-file", str(stage.nats.token_file)]

    async def does(self, *words: str) -> str:
        """What a command prints that must succeed, about the object itself."""
        return str(await asyncio.to_thread(self._lab.said, *words))

    async def asks(self, *words: str) -> str:
        """The same of a command that talks to operators."""
        return await self.does(*words, *self._nats)

    async def sees(self, *words: str) -> Any:
        """What such a command says to programs."""
        return json.loads(await self.asks(*words, "-o", "json"))


@pytest.fixture
def person(stage: Stage, kube: Kube) -> Person:
    return Person(stage, kube)


async def test_a_person_mends_gives_up_and_asks_while_it_runs(
    stage: Stage, kube: Kube, node: Node, person: Person, tmp_path: Path
) -> None:
    with ExitStack() as life:
        async with OnNode(tmp_path, stage, kube, node, life).running(SETUP) as run:
            await run.reached(0.1)
            await _mends_a_frame(person, run, tmp_path / "frame.npz")
            scan = await _asks(person, run)
            await person.does("set", PIPELINE, f"sums.bad={WORSE}", "--wait")
            run.open()
            for ordinal, word in ((1, "abort"), (2, "skip")):
                await run.until(_began(run, ordinal), f"scan {ordinal} is under way")
                await person.asks("scan", word, PIPELINE, f"{scan}-{ordinal}")
            await run.finished()
            await _drops_a_frame(person, run)

            _whole(run)
            _, facts = run.picture(1)
            assert facts["final"]
            assert facts["missing"]["aborted"] > 0
            kept = run.kept
            assert 0 < np.count_nonzero(kept["scan"] == 2) < SETUP.total


def _whole(run: NodeRun) -> None:
    """The first scan lacks what was dropped, and nothing else, though one frame came late."""
    kept = run.kept
    wanted = [index for index in range(SETUP.total) if index != WORSE]
    assert sorted(kept["index"][kept["scan"] == 0].tolist()) == wanted
    channels, facts = run.picture(0)
    expected = pipeline.expected(SETUP, frozenset({WORSE})).channels
    for name, array in expected.items():
        assert channels[name].tobytes() == array.tobytes(), f"channel {name}, bit by bit"
    assert (facts["final"], facts["missing"]) == (True, {"failed": 1})


async def _mends_a_frame(person: Person, run: NodeRun, file: Path) -> None:
    [letter] = await _until_letters(person, run)
    assert (letter["operator"], letter["start"], letter["stop"]) == ("sums", BAD, BAD + 1)
    assert "a frame nobody can sum" in letter["error"]

    number = str(letter["id"])
    said = await person.asks("dlq", "show", PIPELINE, number, "--save", str(file))
    assert "a frame nobody can sum" in said
    with np.load(file) as frame:
        assert frame["index"].tolist() == [BAD]

    await person.does("set", PIPELINE, "sums.bad=-1", "--wait")
    assert f"{number} sent" in await person.asks("dlq", "redrive", PIPELINE, "--all")
    await run.until(lambda: BAD in run.kept["index"], "the frame that failed arrives")
    assert await person.sees("dlq", "list", PIPELINE) == []


async def _asks(person: Person, run: NodeRun) -> str:
    """Gives what the ids of scans begin with."""
    frames, scan = 0, ""
    while frames < int(SETUP.total * SETUP.gate):  # all that the source gives before its gate
        await run.lasting(0.1)
        [answer] = await person.sees("trigger", PIPELINE, "total.count")
        [(scan, frames)] = answer["result"].items()
        assert answer["outcome"] == "done"
    assert (scan.endswith("-0"), frames) == (True, int(SETUP.total * SETUP.gate))

    shown = await person.does("top", PIPELINE, "--once")
    assert all(operator in shown for operator in SETUP.graph.code)
    assert "Running" in shown
    [known] = await person.sees("scan", "list", PIPELINE)
    assert (known["id"], known["state"], known["total"]) == (scan, "under way", SETUP.total)
    return str(scan.removesuffix("-0"))


async def _drops_a_frame(person: Person, run: NodeRun) -> None:
    [letter] = await _until_letters(person, run)
    assert (letter["start"], letter["scan"][-2:]) == (WORSE, "-0")
    assert "1 dead letter dropped" in await person.asks("dlq", "drop", PIPELINE, "--all", "--yes")
    assert await run.letters() == []


def _began(run: NodeRun, ordinal: int) -> Callable[[], bool]:
    return lambda: ordinal in run.kept["scan"]


async def _until_letters(person: Person, run: NodeRun) -> Any:
    while not await run.letters():
        await run.lasting(0.1)
    return await person.sees("dlq", "list", PIPELINE)
