"""A relay's side: which run is asked for first, what a run is given, and what its results become."""

import asyncio
from typing import Any

import numpy as np
import pytest
from external.pipes import eventually, parts
from interact import DenseFrames, Image, Scan
from interact import _external_messages as messages
from interact._batches import Bytes
from interact._codec import decode as decoded
from interact._codec import encode as encoded
from interact._errors import BrokerError
from interact._external_runs import Runs
from interact._tally import Tally
from interact_api import border
from interact_api.external_asks import Outcome, RunAsk, RunTold
from interact_controller.external import asked

ASK = RunAsk(run="0f", message="00" * 16)
SCAN = Scan("s", (2, 3))
PICTURE = Image(scan=SCAN, start=0, stop=6, total=6, channels={"sum": np.zeros((2, 3))})


class Controller:
    """Answers what the test says; a question waits at the gate."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.away = False
        self.told = RunTold(outcome=Outcome.COMPLETED, name="one")

    async def ask(self, payload: bytes) -> bytes:
        question = border.decode(RunAsk, payload)
        self.asked.append((question.scan, question.index))
        if self.away:
            raise BrokerError("nobody listens")
        await self.gate.wait()
        return border.encode(self.told)


def of(scan: str, index: int) -> RunAsk:
    return ASK.model_copy(update={"scan": scan, "index": index, "message": f"{index:032x}"})


async def test_runs_are_asked_for_by_scan_and_index_one_after_the_other() -> None:
    controller = Controller()
    runs = Runs(controller.ask, Tally("fit", 0, "classic"))

    async with asyncio.TaskGroup() as group:
        group.create_task(runs.ended(of("cam-9", 3)))
        await eventually(lambda: controller.asked)
        for scan, index in (("cam-10", 0), ("cam-9", 20), ("cam-9", 5), ("cam-2", 7)):
            group.create_task(runs.ended(of(scan, index)))
        for _ in range(5):
            await asyncio.sleep(0)
        alone = list(controller.asked)
        controller.gate.set()

    assert alone == [("cam-9", 3)]
    assert controller.asked[1:] == [("cam-2", 7), ("cam-9", 5), ("cam-9", 20), ("cam-10", 0)]


async def test_the_end_of_a_run_wakes_who_waits_for_it() -> None:
    controller = Controller()
    controller.gate.set()
    controller.told = RunTold(outcome=Outcome.GOES_ON, name="one")
    runs = Runs(controller.ask, Tally("fit", 0, "classic"))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(runs.ended(ASK))
        await eventually(lambda: len(controller.asked) >= 4)  # its pauses are long by now
        controller.told = RunTold(outcome=Outcome.FAILED, name="one", reason="Lost")
        before = len(controller.asked)
        runs.heard("another")
        runs.heard("one")
        await eventually(lambda: len(controller.asked) > before)

    assert task.result().reason == "Lost"


async def test_a_controller_that_is_away_is_told_once_and_asked_again() -> None:
    controller, tally = Controller(), Tally("fit", 0, "classic")
    controller.gate.set()
    controller.away = True
    runs = Runs(controller.ask, tally)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(runs.ended(ASK))
        await eventually(lambda: len(controller.asked) >= 2)
        controller.away = False

    assert task.result().outcome is Outcome.COMPLETED
    [words] = tally.snapshot().warnings
    assert words.startswith("waits for the controller, which makes its runs")


@pytest.mark.parametrize(
    ("results", "columns"),
    [
        pytest.param({"a": 2}, {"a": [2, 2]}, id="a number is said of each frame"),
        pytest.param({"a": [1, 2.5]}, {"a": [1, 2.5]}, id="a list is told apart"),
        pytest.param({"a": [1, 2, 3]}, {"a": [[1, 2, 3], [1, 2, 3]]}, id="another list is a row"),
        pytest.param({"a": "x", "b": {"c": 1}, "d": True, "e": [], "f": [1, "x"], "g": None}, {},
                     id="what is no number stays"),
        pytest.param({"a": 2**70}, {"a": [2.0**70] * 2}, id="a huge one is rounded"),
    ],
)  # fmt: skip
def test_results_become_numbers_of_the_frames(
    results: dict[str, Any], columns: dict[str, Any]
) -> None:
    [batch] = parts(1)

    made = messages.values(batch, results)

    assert {name: one.tolist() for name, one in made.columns.items()} == columns
    assert (made.start, made.stop, made.index.tolist()) == (0, 2, [0, 1])


@pytest.mark.parametrize(
    "batch",
    [PICTURE, Bytes(scan=SCAN, start=0, stop=6, total=6, data=b"x")],
    ids=["image", "bytes"],
)
def test_results_of_a_whole_scan_are_those_of_its_first_frame(batch: Any) -> None:
    made = messages.values(batch, {"a": 2})

    assert (made.columns["a"].tolist(), made.index.tolist()) == ([2], [0])
    assert (made.start, made.stop) == (0, 6)
    assert {gap.reason for gap in made.tombstones} == {"filtered"}


def test_a_message_of_one_frame_gives_parameters() -> None:
    [batch] = parts(1, size=1, energy=np.array([300.0]), other=np.array([1]))
    header, batch = decoded(encoded(batch, identity=bytes(range(16))))

    question = messages.question("0f", header, batch, {"energy": 80, "x": None, "dose": None})

    given = dict(question.parameters)
    said = given.pop("message")
    assert given == {"energy": 300.0, "x": 0.0}
    assert said["values"] == {"x": [0.0], "energy": [300.0], "other": [1]}
    assert question.message == bytes(range(16)).hex()


@pytest.mark.parametrize(
    ("batch", "large"),
    [
        pytest.param(parts(1)[0], False, id="few numbers"),
        pytest.param(parts(1, size=3000)[0], True, id="many numbers"),
        pytest.param(PICTURE, True, id="a picture"),
        pytest.param(DenseFrames(scan=SCAN, start=0, stop=1, data=np.zeros((1, 2, 2))), True,
                     id="frames"),
    ],
)  # fmt: skip
def test_what_is_no_short_list_of_numbers_is_an_input(batch: Any, large: bool) -> None:
    header, batch = decoded(encoded(batch, identity=bytes(16)))
    question = messages.question("0f", header, batch, {})

    assert messages.large(batch) is large
    assert ("values" in question.parameters["message"]) is not large  # type: ignore[operator]
    assert messages.packed(batch) == messages.packed(batch)


def test_runs_that_were_made_at_once_begin_by_scan_and_index() -> None:
    def made(name: str, scan: str, index: str) -> dict[str, Any]:
        key = "interact.science"
        about = {"labels": {f"{key}/index": index}, "annotations": {f"{key}/scan": scan}}
        return {"metadata": {"name": name, **about}}

    runs = [made("a", "cam-10", "0"), made("b", "cam-9", "12"), made("c", "cam-9", "2")]

    assert [run["metadata"]["name"] for run in sorted(runs, key=asked.turn)] == ["c", "b", "a"]
    assert asked.turn({"metadata": {"name": "alone"}}) == "alone"
