"""Kernels that end their process on one frame: all other frames arrive, and that one is kept aside."""

import secrets
from types import SimpleNamespace

import numpy as np
import pytest
from interact import _main
from interact._again import Suspect
from interact._attempts import Attempts, Record
from interact._tally import Tally
from interact_api.config import OperatorConfig
from sdk.at_work import SCAN, SUMS, collector, given, planned, running
from sdk.dying import last_records, letters, living

pytestmark = pytest.mark.nats

CODE = '''
"""Ends on one frame."""
import ctypes
import os
import signal
import threading

from interact import DenseFrames, Values, operator


@operator(name="fragile", parallel=True)
def fragile(part: DenseFrames) -> Values:
    """Sums frames, but for the seventeenth."""
    if 17 in part.index:
        {ends}
    return part.values(sum=part.data.sum(axis=(1, 2)))
'''
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
EXITS = "os._exit(3)"
HANGS = "threading.Event().wait()"
HOLDS = "ctypes.PyDLL(None).sleep(600)"


LONG = 100.0
"""Seconds for several processes to start, one after the other, on a busy machine."""


def quick(config: OperatorConfig, *, attempts: int, timeout: float = 30.0) -> OperatorConfig:
    """The configuration with other limits."""
    inputs = [entry.model_copy(update={"attempts": attempts}) for entry in config.inputs]
    return config.model_copy(update={"inputs": inputs, "kernel_timeout_seconds": timeout})


@pytest.mark.parametrize(
    ("ends", "kind", "status"),
    [
        pytest.param(EXITS, "crash", 3, id="exits"),
        pytest.param(KILLED, "crash", -9, id="is killed"),
        pytest.param(HANGS, "timeout", 1, id="hangs"),
        pytest.param(HOLDS, "timeout", 1, id="holds the interpreter for longer than the ack wait"),
    ],
)
async def test_a_frame_that_ends_its_process_is_found_and_the_others_arrive(
    server, tmp_path, ends, kind, status
):
    code = tmp_path / "run.py"
    code.write_text(CODE.format(ends=ends))
    read, _ = given(SCAN)
    collect, arrived = collector()
    edges = [("given.out", "fragile.part"), ("fragile.out", "collect.part")]
    name = f"fragile-{secrets.token_hex(3)}"
    plan = planned(name, [read, _main.found(code), collect], edges, ack_wait="1s")

    async with running(server, plan) as run, run.start(read, collect):
        config = quick(plan.operators["fragile"], attempts=2, timeout=0.5)
        async with living(run, server, "fragile", code, tmp_path, config=config) as lives:
            await run.until("collect", lambda told: told.state == "done", patience=LONG)
            told = await run.until("fragile", lambda told: told.frames_failed == 1)
            left, kept = await last_records(run), await letters(run, "fragile")

    good = [i for i in range(35) if i != 17]
    assert sorted(i for part in arrived for i in part.index) == good
    assert {i: s for p in arrived for i, s in zip(p.index, p.sum, strict=True)} == {
        i: SUMS[i] for i in good
    }
    assert [
        (one.index.tolist(), one.attributes["kind"], one.attributes["attempts"]) for one in kept
    ] == [([17], kind, 2)]
    assert np.array_equal(kept[0].data, SCAN.data[17:18])
    assert lives.statuses == [status] * 3 + [0], "seen first, then tried whole, then alone"
    assert left == []
    timed_out = "kernel did not end within 0.5 s (kernelTimeout)" in told.errors
    assert timed_out == (kind == "timeout"), "the next life says so"
    assert ("Timeout (" in lives.log.read_text()) == timed_out, "and where it was"
    assert [path.name for path in tmp_path.glob("*.last")] == []


GATHERED = '''
"""Ends on one frame."""
import os

import numpy as np
from interact import DenseFrames, Reducer, Values, operator


@operator(name="total")
class Total(Reducer[dict]):
    """Sums all frames, but for the seventeenth."""

    def zero(self, scan):
        return {"sum": 0, "frames": 0}

    def add(self, state: dict, part: DenseFrames) -> None:
        if 17 in part.index:
            os._exit(3)
        state["sum"] += int(part.data.sum())
        state["frames"] += len(part)

    def result(self, state: dict, progress) -> Values | None:
        if not progress.complete:
            return None
        row = {name: np.full(progress.total, value) for name, value in state.items()}
        return Values(scan=progress.scan, start=0, stop=progress.total, columns=row)
'''


async def test_a_reducer_that_is_ended_by_a_frame_counts_every_other_one_once(server, tmp_path):
    code = tmp_path / "run.py"
    code.write_text(GATHERED)
    read, _ = given(SCAN)
    collect, arrived = collector()
    edges = [("given.out", "total.part"), ("total.out", "collect.part")]
    plan = planned("total", [read, _main.found(code), collect], edges, ack_wait="1s")

    async with running(server, plan) as run, run.start(read, collect):
        config = quick(plan.operators["total"], attempts=2)
        async with living(run, server, "total", code, tmp_path, config=config) as lives:
            await run.until("collect", lambda told: told.state == "done", patience=LONG)
            told = await run.until("total", lambda told: told.scans_complete == 1)
            left, kept = await last_records(run), await letters(run, "total")

    [result] = [part for part in arrived if part.stop == 35]
    assert int(result.frames[0]) == 34
    assert int(result.sum[0]) == SUMS.sum() - SUMS[17]
    assert [(one.index.tolist(), one.attributes["kind"]) for one in kept] == [([17], "crash")]
    assert told.scans[result.scan.id].missing == {"failed": 1}
    assert lives.statuses == [3] * 3 + [0]
    assert left == []


async def test_a_message_given_twice_at_once_ends_no_process_with_the_frames_it_gave_up(server):
    read, _ = given(SCAN)
    collect, _ = collector()
    plan = planned("twice", [read, collect], [("given.out", "collect.part")])
    delivery = SimpleNamespace(sequence=4, answer_to="")

    async with running(server, plan) as run:
        attempts = Attempts(plan.operators["collect"], run.broker, Tally("collect", 0, "sink"))
        suspect = Suspect(attempts, "attempts.part.4", delivery, Record(17, 2), most=2)
        given_up = await suspect.begin(17)
        await suspect.begin(18)
        await suspect.end()
        assert await last_records(run) == []

        known = await attempts.left("attempts.part.4")
        other = await attempts.left("attempts.part.5")
        again = Suspect(attempts, "attempts.part.4", delivery, known, most=2)
        assert given_up is not None
        assert await again.begin(17) == given_up
        assert [await again.begin(place) for place in (16, 18, 19)] == [None] * 3
    assert other is None
