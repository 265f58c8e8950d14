"""Frames that failed are sent again, and the results they belong to are corrected."""

import asyncio

import numpy as np
import pytest
from interact import DenseFrames, Param, Resume, Values, Zip
from interact import operator as make_operator
from interact import source as make_source
from interact._vault import Vault
from interact.testing import frames, split
from sdk.redriving import POISON, Totals, at_work, fragile, totals

pytestmark = pytest.mark.nats

SCAN = frames(shape=(25, 40, 8, 12), disk=(3, 7, 2))
SUMS = SCAN.data.sum(axis=(1, 2)).astype(int).reshape(25, 40)
SMALL = frames(shape=(5, 7, 8, 12), disk=(3, 7, 2))
SMALL_SUMS = SMALL.data.sum(axis=(1, 2)).astype(int).reshape(5, 7)
CHAIN = [
    ("given.out", "fragile.part"),
    ("fragile.out", "totals.part"),
    ("totals.out", "collect.part"),
]


def picture(image):
    return image.channels["sum"]


def facts(image):
    """Everything of a result but when it was made."""
    arrays = {name: (array.dtype.str, array.tobytes()) for name, array in image.arrays().items()}
    return arrays, image.completeness, dict(image.missing), image.start, image.stop


async def test_a_poisoned_frame_in_a_thousand_comes_back_once_the_parameter_is_mended(server):
    operators = fragile(), totals()
    async with at_work(server, "thousand", SCAN, *operators, edges=CHAIN) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        [first] = work.results
        [letter] = await work.letters()
        await work.live.set_and_heard("fragile", tough=True)

        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)
        left = await work.letters()

    assert first.missing == {"failed": 1}
    wrong = np.flatnonzero(picture(first) != SUMS)
    assert wrong.tolist() == [POISON], "999 results, and not one more"
    assert (letter.operator, letter.frames, letter.kind) == ("fragile", str(POISON), "exception")
    second = work.results[1]
    assert np.array_equal(picture(second), SUMS)
    assert (second.completeness, second.missing) == (1.0, {})
    assert left == []


async def test_after_a_restart_of_all_processes_the_result_is_that_without_a_fault(server):
    good, bad = (fragile(poison) for poison in ((), (3, 17, 18)))
    async with at_work(server, "good", SMALL, good, totals(), edges=CHAIN) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        [faultless] = work.results

    async with at_work(server, "again", SMALL, bad, totals(), edges=CHAIN) as work:
        async with work.start():
            await work.run.until("collect", lambda told: told.state == "done")
        work.run.told.clear()
        async with work.start():
            await work.run.until("totals", lambda told: told.state == "done")
            await work.live.set_and_heard("fragile", tough=True)
            assert await work.redrive() == ["", "", ""]
            await work.settle(lambda: work.results[-1].missing == {})
        work.run.told.clear()
        seen = len(work.results)
        async with work.start():  # the last words of the life before may still be on their way
            await work.run.until(
                "collect", lambda told: (told.state, told.frames_in) == ("done", 0)
            )

    assert facts(work.results[-1]) == facts(faultless)
    assert len(work.results) == seen, "nothing is left to be corrected"


async def test_frames_of_a_scan_that_still_runs_take_their_places_in_it(server):
    gate = asyncio.Event()

    @make_source(name="given", outputs={"out": "dense"})
    async def read(*, resume: Resume):
        """Waits in the middle of its scan."""
        for part in split(SMALL):
            if part.start == 20:
                await gate.wait()
            yield part

    async with at_work(server, "open", SMALL, fragile((3,)), totals(), edges=CHAIN) as work:
        work.chain[0] = read
        async with work.start():
            await work.run.until("fragile", lambda told: told.frames_failed == 1)
            await work.run.until("totals", lambda told: told.frames_in == 19)
            await work.live.set_and_heard("fragile", tough=True)
            assert await work.redrive() == [""]
            await work.run.until("totals", lambda told: told.frames_in == 20)
            gate.set()
            await work.run.until("collect", lambda told: told.state == "done")

    [result] = work.results
    assert np.array_equal(picture(result), SMALL_SUMS)
    assert result.missing == {}


async def test_a_frame_that_fails_again_is_a_letter_again(server):
    operators = fragile((3,)), totals()
    async with at_work(server, "fails-again", SMALL, *operators, edges=CHAIN) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        for edition in (0, 1, 2):
            [letter] = await work.letters()
            assert (letter.edition, letter.frames) == (edition, "3")
            assert await work.redrive() == [""]
            await work.run.until("fragile", lambda told, n=edition: told.frames_failed == n + 2)
        await work.drained()
        [last] = await work.letters()

    assert last.edition == 3
    assert len(work.results) == 1, "nothing has changed, so there is nothing to correct"


async def test_another_reader_of_the_stream_is_not_given_the_frame_again(server):
    taken: list[int] = []

    @make_operator(name="beside")
    def beside(part: DenseFrames) -> Values:
        """Has no trouble with any frame, and no ledger that would tell one it has had."""
        taken.extend(part.index.tolist())
        return part.values(sum=part.data.sum(axis=(1, 2)).astype(int))

    operators = fragile((3,)), totals(), beside
    edges = [*CHAIN, ("given.out", "beside.part"), ("beside.out", "collect.part")]
    async with at_work(server, "beside", SMALL, *operators, edges=edges) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        await work.live.set_and_heard("fragile", tough=True)
        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)
        await work.drained()

    assert sorted(taken) == list(range(35))


async def test_a_sink_takes_the_frames_it_failed_on_and_no_other(server):
    taken: list[int] = []

    @make_operator(name="fragile")
    def keep(part: DenseFrames, *, tough: bool = Param(False)) -> None:
        """Fails on two frames, unless it is told to be tough."""
        if not tough and {3, 20} & set(part.index.tolist()):
            raise RuntimeError("hot pixel")
        taken.extend(part.index.tolist())

    edges = [("given.out", "fragile.part"), ("given.out", "collect.part")]
    async with at_work(server, "sink", SMALL, keep, edges=edges) as work:
        async with work.start():
            for name in ("fragile", "collect"):
                await work.run.until(name, lambda told: told.state == "done")
            await work.live.set_and_heard("fragile", tough=True)
            assert await work.redrive(numbers=(1,)) == [""]
            await work.run.until("fragile", lambda told: told.frames_in == 36)
            await work.drained()
        work.run.told.clear()
        async with work.start():
            await work.run.until("fragile", lambda told: told.revision == work.live.revision)
            assert await work.redrive() == [""]
            await work.run.until("fragile", lambda told: told.frames_in == 1)
            told = await work.run.until(
                "fragile", lambda told: all(one.missing == {} for one in told.scans.values())
            )

    assert {*taken} == {*range(35)}
    assert (taken.count(3), taken.count(20)) == (1, 1)
    assert told.state == "done"
    assert [one.complete for one in told.scans.values()] == [True]


async def test_the_halves_of_a_join_are_sent_again_together(server):
    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values], *, tough: bool = Param(False)) -> Values:
        """Divides, and fails on one frame."""
        if 3 in left.index and not tough:
            raise ZeroDivisionError("nothing to divide by")
        return left.values(sum=left.sum + right.sum)

    left, right = fragile((), name="left"), fragile((), name="right")
    edges = [
        ("given.out", "left.part"), ("given.out", "right.part"), ("left.out", "pair.left"),
        ("right.out", "pair.right"), ("pair.out", "totals.part"), ("totals.out", "collect.part"),
    ]  # fmt: skip
    operators = left, right, pair, totals()
    async with at_work(server, "zip", SMALL, *operators, edges=edges) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        letters = await work.letters()
        await work.live.set_and_heard("pair", tough=True)
        [refused] = await work.redrive(numbers=(letters[0].sequence,))
        assert await work.redrive() == ["", ""]
        await work.settle(lambda: len(work.results) == 2)

    assert sorted(one.port for one in letters) == ["left", "right"]
    assert "half of a join" in refused
    assert np.array_equal(picture(work.results[1]), 2 * SMALL_SUMS)


async def test_a_message_a_reducer_cannot_add_is_a_letter_of_its_own(server):
    class Moody(Totals):
        """Refuses the message of frame 7, unless it is told to be tough."""

        tough: bool = Param(False)

        def add(self, state: dict, part: Values) -> None:
            if 7 in part.index and not self.tough:
                raise RuntimeError("no mood")
            super().add(state, part)

    operators = fragile(()), totals(Moody)
    async with at_work(server, "moody", SMALL, *operators, edges=CHAIN) as work, work.start():
        told = await work.run.until("totals", lambda told: told.state == "done")
        await work.settle(lambda: len(work.results) == 1)
        [letter] = await work.letters()
        await work.live.set_and_heard("totals", tough=True)
        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)

    assert told.frames_failed == 5
    assert (letter.operator, letter.source, letter.frames) == ("totals", "fragile.out", "5-9")
    assert work.results[0].missing == {"failed": 5}
    assert np.array_equal(picture(work.results[1]), SMALL_SUMS)


async def test_a_frame_whose_scan_is_kept_no_more_stays_a_letter_that_says_so(server):
    operators = fragile((3,)), totals()
    async with at_work(server, "sealed", SMALL, *operators, edges=CHAIN) as work:
        async with work.start():
            await work.run.until("collect", lambda told: told.state == "done")
            await work.drained()
        vault = Vault(work.run.broker, work.run.plan.bucket.name, "checkpoint.totals")
        scan_id = work.results[0].scan.id
        assert await vault.load(f"scan.{scan_id}") is not None
        await vault.forget(f"scan.{scan_id}")
        work.run.told.clear()
        async with work.start():
            await work.run.until("totals", lambda told: told.state == "done")
            await work.live.set_and_heard("fragile", tough=True)
            assert await work.redrive() == [""]
            told = await work.run.until("totals", lambda told: told.frames_failed == 1)
            await work.drained()
            [letter] = await work.letters()

    assert any("kept no more" in warning for warning in told.warnings)
    assert (letter.operator, letter.frames, letter.edition) == ("totals", "3", 1)
    assert "send the scan again" in letter.error
    assert len(work.results) == 1


async def test_a_message_nobody_could_read_is_sent_again_as_it_came(server):
    async with (
        at_work(server, "raw", SMALL, fragile(()), totals(), edges=CHAIN) as work,
        work.start(),
    ):
        await work.run.broker.publish("interact.test.raw.given.out.x", b"\xff not a frame")
        await work.run.until("fragile", lambda told: told.undecodable == 1)
        await work.run.until("collect", lambda told: told.state == "done")
        [letter] = await work.letters()
        assert await work.redrive() == [""]
        await work.run.until("fragile", lambda told: told.undecodable == 2)
        [again] = await work.letters()

    assert (letter.kind, letter.raw, letter.port) == ("undecodable", b"\xff not a frame", "part")
    assert "another program" in letter.error
    assert again.raw == letter.raw


async def test_a_letter_of_an_edge_that_is_gone_is_kept(server):
    async with at_work(server, "gone", SMALL, fragile((3,)), totals(), edges=CHAIN) as work:
        async with work.start():
            await work.run.until("collect", lambda told: told.state == "done")
        entry = work.run.plan.operators["fragile"].inputs[0]
        await work.run.broker.context.delete_consumer(entry.stream, entry.durable)
        [refused] = await work.redrive()
        left = await work.letters()

    assert "fragile.part does not read given.out any more" in refused
    assert len(left) == 1
