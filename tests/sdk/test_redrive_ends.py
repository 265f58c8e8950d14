"""Corrected results at displays, after a death in between, and of frames larger than a message."""

import asyncio

import numpy as np
import pytest
from interact import DenseFrames, Image, Param, Scan, Values, _pictures, _runtime
from interact import operator as make_operator
from interact.testing import frames
from sdk.at_work import MIB
from sdk.redriving import at_work, fragile, totals

pytestmark = pytest.mark.nats

SMALL = frames(shape=(5, 7, 8, 12), disk=(3, 7, 2))
SUMS = SMALL.data.sum(axis=(1, 2)).astype(int).reshape(5, 7)
CHAIN = [
    ("given.out", "fragile.part"),
    ("fragile.out", "totals.part"),
    ("totals.out", "collect.part"),
]


async def test_a_display_shows_the_corrected_picture(server):
    @make_operator(name="show", display=True)
    def show(image: Image) -> Image:
        """Shows what comes."""
        return image

    operators = fragile((3,)), totals(), show
    edges = [*CHAIN, ("totals.out", "show.image")]
    async with at_work(server, "shown", SMALL, *operators, edges=edges) as work, work.start():
        stream = work.run.plan.operators["show"].images_stream
        await work.run.until("show", lambda told: told.state == "done")
        await work.drained()
        [before] = await _pictures.pictures(work.run.broker, stream)
        await work.live.set_and_heard("fragile", tough=True)
        assert await work.redrive() == [""]
        told = await work.run.until(
            "show", lambda told: all(one.missing == {} for one in told.scans.values())
        )
        await work.drained()
        [after] = await _pictures.pictures(work.run.broker, stream)

    assert (before.image.missing, after.image.missing) == ({"failed": 1}, {})
    assert np.array_equal(after.image.channels["sum"], SUMS)
    assert told.state == "done"


async def test_a_reducer_that_dies_between_two_corrections_ends_with_both(server, monkeypatch):
    """Its first life takes a frame and is gone before a checkpoint holds it."""
    operators = fragile((3, 20)), totals()
    async with (
        at_work(server, "dies", SMALL, *operators, edges=CHAIN, ack_wait="1s") as work,
        asyncio.TaskGroup() as group,
    ):
        async with work.start():
            await work.run.until("collect", lambda told: told.state == "done")
            await work.drained()
        work.run.told.clear()
        _, kernel, reducer, collect = work.chain
        with monkeypatch.context() as patched:
            patched.setattr("interact._keeping.CHECKPOINT_SECONDS", 3600.0)
            patched.setattr("interact._keeping.Keeping.idle_pause", None)
            async with work.run.start(kernel, collect):
                config = work.run.plan.operators["totals"]
                life = group.create_task(
                    _runtime.serve(reducer, config, work.run.broker, stop=asyncio.Event())
                )
                await work.run.until("totals", lambda told: told.state == "done")
                await work.live.set_and_heard("fragile", tough=True)
                first, second = await work.letters()
                assert await work.redrive(numbers=(first.sequence,)) == [""]
                await work.settle(lambda: len(work.results) == 2)
                life.cancel()
                await asyncio.wait({life})
        work.run.told.clear()
        async with work.run.start(kernel, reducer, collect):
            await work.run.until("totals", lambda told: told.redelivered >= 1)
            assert await work.redrive(numbers=(second.sequence,)) == [""]
            await work.settle(lambda: work.results[-1].missing == {})

    assert [one.missing for one in work.results[:2]] == [{"failed": 2}, {"failed": 1}]
    assert np.array_equal(work.results[-1].channels["sum"], SUMS)


async def test_frames_larger_than_a_message_are_kept_and_sent_again(server):
    scan = Scan("large", (1, 3))
    data = np.zeros((3, 2048, 2200), np.uint16)
    data[:, 5, 9] = 1, 2, 3
    large = DenseFrames(scan=scan, start=0, stop=3, data=data)

    operators = fragile((1,)), totals()
    room = {"max_bytes": 64 * MIB}
    async with (
        at_work(server, "large", large, *operators, edges=CHAIN, size=1, **room) as work,
        work.start(),
    ):
        await work.run.until("collect", lambda told: told.state == "done")
        [letter] = await work.letters()
        whole = await work.box.whole(letter)
        await work.live.set_and_heard("fragile", tough=True)
        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)

    assert (letter.deferred, letter.batch, letter.frames) == (True, None, "1")
    assert "hot pixel" in letter.error
    assert np.array_equal(whole.batch.data, data[1:2])
    assert work.results[1].channels["sum"].tolist() == [[1, 2, 3]]


async def test_a_kernel_that_is_given_a_frame_again_has_it_with_its_own_attributes(server):
    seen: list[dict] = []

    @make_operator(name="fragile")
    def careful(part: DenseFrames, *, tough: bool = Param(False)) -> Values:
        """Fails on one frame, unless it is told to be tough."""
        if 3 in part.index and not tough:
            raise RuntimeError("hot pixel")
        if 3 in part.index:
            seen.append(dict(part.attributes))
        return part.values(sum=part.data.sum(axis=(1, 2)).astype(int))

    titled = SMALL.replace(attributes={"title": "gold", "error": "none"})
    operators = careful, totals()
    async with at_work(server, "own", titled, *operators, edges=CHAIN) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        await work.live.set_and_heard("fragile", tough=True)
        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)

    assert seen == [{"title": "gold", "error": "none"}]
