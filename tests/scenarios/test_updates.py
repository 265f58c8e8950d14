"""Hundreds of changes of a parameter through the API server, by commands and by patches at once."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chaos.node import PIPELINE, NodeRun, OnNode
from chaos.pipeline import Setup
from cluster.kube import Kube, Object, condition
from cluster.node import Node
from interact.cli.cluster import changing, kinds
from interact.cli.cluster.changing import Asked
from interact.cli.cluster.connecting import place
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Where
from interact.cli.cluster.waits import Patience
from interact.cli.exits import CommandError, Exit

from scenarios.stage import Stage

pytestmark = [pytest.mark.nats, pytest.mark.timeout(240)]

PEOPLE, GOOD, BAD = 8, 4, 2
"""Who use `interact set`, and how often each does, with a value and with nonsense."""
PATCHES = 249
ANSWER_SECONDS = 120.0
"""A command waits so long for its answer: many times what it takes."""
NONSENSE = "a lot"
"""The machine is busy; nobody is to lead in the controller's place."""


@dataclass(frozen=True)
class Told(Asked):
    """A change whose answer is kept, not printed."""

    words: list[str] = field(default_factory=list)

    def tell(self, pipeline: Object, words: str) -> None:
        del pipeline
        self.words.append(words)


class People:
    """Who changes ``sums.gain``, each time to another value, and what the commands were answered."""

    def __init__(self, where: Place, kube: Kube) -> None:
        self._where, self._kube = where, kube
        self._values = itertools.count(2)
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.patched: list[int] = []

    def value(self) -> str:
        """One that nobody has set yet."""
        with self._lock:
            return str(next(self._values))

    def command(self, text: str) -> str:
        """`interact set … --wait`; gives its answer in one word."""
        patience = Patience(ANSWER_SECONDS, lambda _: None)
        asked = Told(self._where, PIPELINE, None, wait=True, patience=patience)
        try:
            changing.set_parameters(asked, [f"sums.gain={text}"])
        except CommandError as error:
            if error.code is not Exit.INVALID or text != NONSENSE:
                raise
            answer = "refused"
        else:
            [words] = asked.words
            assert words.startswith(f"sums.gain = {float(text)} ")
            assert ("is in effect" in words) != ("was overtaken by a later change" in words)
            answer = "applied" if "is in effect" in words else "superseded"
        with self._lock:
            self.answers[answer] += 1
        return answer

    def patch(self, value: object) -> int:
        """What `kubectl patch --type=json` does; gives the revision the server answers with."""
        edit = {"op": "add", "path": "/spec/operators/1/parameters/gain", "value": value}
        answer = self._kube.patch("pipelines", PIPELINE, [edit])
        assert gain(answer) == value
        return int(answer["metadata"]["generation"])

    def all_at_once(self) -> None:
        """Everybody, each one after the answer to the one before."""
        with ThreadPoolExecutor(PEOPLE + 1) as pool:
            work = [pool.submit(self._commands) for _ in range(PEOPLE)]
            for one in (pool.submit(self._patches), *work):
                one.result()

    def _commands(self) -> None:
        for text in (NONSENSE,) * BAD:
            self.command(text)
        for _ in range(GOOD):
            self.command(self.value())

    def _patches(self) -> None:
        for _ in range(PATCHES):
            self.patched.append(self.patch(float(self.value())))


def gain(pipeline: Object) -> object:
    return pipeline["spec"]["operators"][1]["parameters"]["gain"]


@contextmanager
def history(where: Place, kube: Kube) -> Iterator[dict[int, object]]:
    """Every value the API server takes meanwhile, by its revision; whole when the block is left."""
    begin = kube.get("pipelines", PIPELINE)
    found = {int(begin["metadata"]["generation"]): gain(begin)}

    def watch() -> None:
        query = {"resourceVersion": begin["metadata"]["resourceVersion"], "timeoutSeconds": "200"}
        for event in where.api.lines(kinds.PIPELINE.path(where.namespace), query=query):
            one = event["object"]
            found[int(one["metadata"]["generation"])] = gain(one)
            if "over" in one["metadata"].get("labels", {}):
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        kube.patch("pipelines", PIPELINE, {"metadata": {"labels": {"over": "yes"}}})
        watching.join(30)


def told(kube: Kube) -> int:
    """The revision that the status says is in effect at every replica."""
    states = kube.get("pipelines", PIPELINE)["status"]["operators"]
    return next(int(one["parameterRevision"]) for one in states if one["name"] == "sums")


def replicas(run: NodeRun) -> list[int]:
    """The revision each replica works with."""
    return [one.revision for (operator, _), one in run.told.items() if operator == "sums"]


def stamped(run: NodeRun, taken: Mapping[int, object]) -> set[int]:
    """The revisions stamped on outputs; fails if one was made with another value than its own."""
    pairs = {(int(line["revision"]), float(line["gain"])) for line in run.kept}
    assert pairs == {(revision, taken[revision]) for revision, _ in pairs}
    assert all(len({int(r) for r in run.kept["revision"][run.kept["message"] == start]}) == 1
               for start in set(run.kept["message"].tolist()))  # fmt: skip
    return {revision for revision, _ in pairs}


async def test_three_hundred_changes_are_answered_and_the_last_is_in_effect_everywhere(
    stage: Stage, kube: Kube, node: Node, tmp_path: Path
) -> None:
    where = place(Where(str(stage.plane.kubeconfig), "", kube.namespace))
    people = People(where, kube)
    slow = {"frames": {"pause": 0.1}, "sums": {"gain": 1.0}}
    setup = Setup(replicas=2, gate=0.9, parameters=slow)
    with ExitStack() as life:
        async with OnNode(tmp_path, stage, kube, node, life).running(setup) as run:
            await run.reached(0.05)
            with history(where, kube) as taken:
                await asyncio.to_thread(people.all_at_once)
                assert await asyncio.to_thread(people.command, people.value()) == "applied"
                before = told(kube)
                people.patch(NONSENSE)
                words = await asyncio.to_thread(_refusal, kube)
                assert (told(kube), set(replicas(run))) == (before, {before})
                assert await asyncio.to_thread(people.command, people.value()) == "applied"
            last = max(taken)
            await run.until(lambda: replicas(run) == [last, last], "the last is used by both")
            await run.finished()

            run.exact()
            used = stamped(run, taken)

    commands, patches = people.answers, len(people.patched) + 1
    accepted = commands["applied"] + commands["superseded"] + patches
    assert "gain" in words
    assert commands.total() + patches == 300
    assert commands["refused"] == PEOPLE * BAD
    assert len(taken) == accepted + 1, "each accepted write has a revision of its own"
    assert max(used) == last, "the last frames are made with the last value"
    assert len(used) > 3, "values came into effect all the time"


def _refusal(kube: Kube) -> str:
    """What the controller says of a value that is none."""
    found = kube.wait(
        "pipelines", PIPELINE, lambda one: condition(one, "Accepted").get("status") == "False"
    )
    assert condition(found, "Accepted")["reason"] == "InvalidParameter"
    return str(condition(found, "Accepted")["message"])
