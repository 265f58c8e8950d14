"""Inputs that are read in pieces: each number once, in its place, whatever the size and the faults."""

import asyncio
import importlib.util
import json
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from interact import (
    BatchError,
    DenseFrames,
    OperatorError,
    Scan,
    Streamed,
    TransientError,
    Values,
    Zip,
    _codec,
    _streamed,
)
from interact import operator as make_operator
from interact import source as make_source
from interact._calling import Caller
from interact._carrier import Carrier
from interact._kernel import Kernel
from interact.testing import frames, run, split
from sdk import large_sink
from sdk.at_work import planned, running
from sdk.test_chunks import PATIENCE, edges, reading, until
from sdk.test_chunks_memory import process_of
from sdk.test_chunks_pipeline import COLUMNS, DATA, KIB, ROWS, SCAN, TOTAL, cutting, emptied

pytestmark = pytest.mark.nats

SUMS = DATA.sum(axis=(1, 2)).astype(int).tolist()


def given(parts):
    @make_source(name="given", outputs={"out": "any"})
    def read():
        """What the test sends."""
        yield from parts

    return read


async def sums_of(frames):
    """The sum of each frame, from its rows; and the rows of each, in the order they came."""
    sums, places = dict.fromkeys(frames.index.tolist(), 0), {}
    async for part in frames.rows():
        sums[part.frame] += int(part.data.sum())
        places.setdefault(part.frame, []).append((part.first, len(part.data)))
    return sums, places


def summing(seen, *, fail=lambda frames, sums: None):
    @make_operator(name="sum")
    async def add_up(frames: Streamed[DenseFrames]) -> Values:
        """The sum of each frame."""
        sums, places = await sums_of(frames)
        fail(frames, sums)
        seen.append((frames.start, frames.size, places))
        return frames.values(sum=np.array([*sums.values()]))

    return add_up


def keeping(kept):
    @make_operator(name="keep")
    def keep(part: Values) -> None:
        """Keeps numbers."""
        kept.update(zip(part.index.tolist(), part.columns["sum"].tolist(), strict=True))

    return keep


async def flow(server, name, kernel, kept, *, message_bytes=16 * KIB, empties=True):
    """The sums of the scan, by the kernel, from messages of six frames; what the kernel told."""
    read, keep = given(split(SCAN, 6)), keeping(kept)
    plan = planned(
        name, [read, kernel, keep], [("given.out", "sum.frames"), ("sum.out", "keep.part")]
    )
    async with cutting(server, plan, message_bytes) as run, run.start(read, kernel, keep):
        await run.until("keep", lambda told: told.state == "done")
        if empties:
            await emptied(run, plan)
        letters = await run.broker.context.stream_info(plan.operators["sum"].dead_letter_stream)
    return run.told["sum"], letters.state.messages


@pytest.mark.parametrize("message_bytes", [16 * KIB, 1 << 20], ids=["chunks", "one piece"])
async def test_every_row_of_every_frame_comes_once_and_in_order(server, message_bytes):
    seen, kept = [], {}

    await flow(server, "streamed", summing(seen), kept, message_bytes=message_bytes)

    assert [kept[number] for number in range(TOTAL)] == SUMS
    assert sorted(start for start, _, _ in seen) == list(range(0, TOTAL, 6))
    for _, size, places in seen:
        assert size > 6 * ROWS * COLUMNS * 4
        for rows in places.values():
            assert [first for first, _ in rows] == [0, *np.cumsum([n for _, n in rows])[:-1]]
            assert sum(count for _, count in rows) == ROWS


async def test_a_frame_the_kernel_fails_on_is_found_and_the_others_arrive(server):
    seen, kept = [], {}

    def fail(frames, sums):
        if 8 in sums:
            raise ValueError("the ninth frame is bad")

    told, letters = await flow(server, "poison", summing(seen, fail=fail), kept, empties=False)

    assert sorted(kept) == [number for number in range(TOTAL) if number != 8]
    assert all(kept[number] == SUMS[number] for number in kept)
    assert (told.frames_failed, letters) == (1, 1)


async def test_a_kernel_that_asks_for_another_try_reads_from_the_beginning(server):
    seen, kept, asked = [], {}, []

    def fail(frames, sums):
        if frames.start == 12 and not asked:
            asked.append(sums)
            raise TransientError("not now")

    await flow(server, "again", summing(seen, fail=fail), kept)

    assert [kept[number] for number in range(TOTAL)] == SUMS
    assert len(asked) == 1


async def test_a_loop_may_be_left_and_begun_again(server):
    kept, firsts = {}, []

    @make_operator(name="sum")
    async def add_up(frames: Streamed[DenseFrames]) -> Values:
        """Looks at the first rows, and then at all of them."""
        async for part in frames.rows():
            firsts.append((part.frame, part.first))
            break
        sums, _ = await sums_of(frames)
        whole = await frames.whole()
        assert whole.data.sum(axis=(1, 2)).tolist() == [*sums.values()]
        async for _ in frames.pieces():
            break
        return frames.values(sum=np.array([*sums.values()]))

    await flow(server, "left", add_up, kept)

    assert [kept[number] for number in range(TOTAL)] == SUMS
    assert sorted(firsts) == [(start, 0) for start in range(0, TOTAL, 6)]


CHUNK = 4 * KIB
FACTS = Scan("s", (3,))


def values(rows):
    columns = {"a": np.arange(3 * rows, dtype=np.float64).reshape(3, rows), "b": np.arange(3)}
    return Values(scan=FACTS, start=0, stop=3, columns=columns)


def dense(shape, dtype):
    data = np.arange(np.prod(shape), dtype=np.int64).astype(dtype).reshape(shape)
    return DenseFrames(scan=FACTS, start=0, stop=shape[0], data=data)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(dense((1, 0, 0), np.uint8), id="a frame of no bytes"),
        pytest.param(dense((1, 1, 1), np.uint8), id="a frame of one byte"),
        pytest.param(dense((1, CHUNK - 1, 1), np.uint8), id="one byte less than a chunk"),
        pytest.param(dense((1, CHUNK, 1), np.uint8), id="as much as a chunk"),
        pytest.param(dense((1, CHUNK + 1, 1), np.uint8), id="one byte more than a chunk"),
        pytest.param(dense((1, 1, 3 * CHUNK + 1), np.uint8), id="a row of several chunks"),
        pytest.param(dense((3, 41, 37), np.float64), id="rows that no chunk ends with"),
        pytest.param(values(1001), id="several arrays"),
    ],
)
async def test_pieces_put_together_are_what_was_sent(server, batch):
    pieces = _codec.pieces(batch, identity=bytes(16))
    found = {}

    async with edges(server, "sizes", message_bytes=100) as (broker, place):
        broker.large._chunk_bytes = CHUNK
        await Carrier(broker, "op/0").publish("sizes.out.s", pieces, place=place, identity="one")
        async with reading(broker, place.refers, streamed=True) as reader:
            held = await reader.next()
            _, streamed = await _streamed.opened(broker, held)
            async for piece in streamed.pieces():
                have = found.setdefault(piece.array, [])
                assert piece.first == sum(len(one) for one in have), "in order, without a gap"
                have.append(piece.data.copy())
            again = await streamed.whole()
            await streamed.message.close()
            await held.ack()

    sent = {name: array for name, array in batch.arrays().items() if array.size}
    assert {name: np.concatenate(have).tolist() for name, have in found.items()} == {
        name: array.ravel().tolist() for name, array in sent.items()
    }
    assert streamed.shapes == {name: array.shape for name, array in batch.arrays().items()}
    assert all(np.array_equal(again.arrays()[name], array) for name, array in sent.items())
    assert streamed.size == pieces.size


async def test_the_places_of_listed_frames_are_there_from_the_beginning(server):
    """They lie behind the data, in the last chunk."""
    batch = dense((3, 41, 37), np.float64).replace(y=np.array([1.0, 2.0, 5.0]), x=np.zeros(3))

    async with edges(server, "listed", message_bytes=100) as (broker, place):
        broker.large._chunk_bytes = CHUNK
        await Carrier(broker, "op/0").publish(
            "listed.out.s", _codec.pieces(batch, bytes(16)), place=place, identity="one"
        )
        async with reading(broker, place.refers, streamed=True) as reader:
            held = await reader.next()
            _, streamed = await _streamed.opened(broker, held)
            await streamed.message.close()
            await held.ack()

    assert streamed.y.tolist() == [1.0, 2.0, 5.0]
    assert streamed.values(n=np.arange(3)).y.tolist() == [1.0, 2.0, 5.0]


@asynccontextmanager
async def flawed(server, name, harm):
    """What becomes of one message that is harmed while a kernel reads it."""
    reads, harmed = asyncio.Event(), asyncio.Event()
    seen = []

    @make_operator(name="sum")
    async def careless(frames: Streamed[DenseFrames]) -> None:
        """Takes no notice of what goes wrong."""
        try:
            async for part in frames.rows():
                seen.append(part.first)
                reads.set()
                await harmed.wait()
        except Exception:
            seen.append("wrong")

    read = given([SCAN])
    plan = planned(name, [read, careless], [("given.out", "sum.frames")])
    async with cutting(server, plan, 16 * KIB) as run, run.start(read, careless):
        await asyncio.wait_for(reads.wait(), PATIENCE)
        port = plan.operators["given"].outputs[0]
        await harm(run, port)
        harmed.set()
        yield run, plan, seen


async def test_a_message_whose_chunk_is_missing_is_kept_as_a_dead_letter(server):
    """Also where the kernel takes no notice: what it made of half a message does not count."""

    async def harm(run, port):
        await run.broker.context.purge_stream(
            port.chunks.stream, subject=f"{port.chunks.subject}.*.4"
        )

    async with flawed(server, "missing", harm) as (run, plan, seen):
        told = await run.until("sum", lambda told: told.undecodable == 1)
        letters = await run.broker.context.stream_info(plan.operators["sum"].dead_letter_stream)

    assert seen[-1] == "wrong"
    assert letters.state.messages == 1
    assert told.frames_in == 0


async def test_a_message_that_is_swept_while_it_is_read_is_dropped(server):
    """Its scan was aborted: nobody wants it any more."""

    async def harm(run, port):
        await run.broker.context.purge_stream(port.stream)
        await emptied(run, run.plan)

    async with flawed(server, "swept", harm) as (run, plan, seen):
        durable = plan.operators["sum"].inputs[0]
        await until(lambda: _answered(run.broker, durable))
        letters = await run.broker.context.stream_info(plan.operators["sum"].dead_letter_stream)

    assert seen[-1] == "wrong"
    assert letters.state.messages == 0


async def _answered(broker, durable):
    return await broker.pending(durable.stream, durable.durable) == (0, 0)


def test_who_cannot_read_in_pieces_is_told_at_import():
    with pytest.raises(OperatorError, match=r"frames is Streamed, .* 'async def'"):

        @make_operator
        def plain(frames: Streamed[DenseFrames]) -> None:
            """Not asynchronous."""

    with pytest.raises(OperatorError, match="Streamed and joined"):

        @make_operator
        async def joined(one: Zip[Streamed[DenseFrames]], two: Zip[Values]) -> Values:
            """Joined."""
            return two


async def test_what_is_streamed_is_not_passed_on_as_it_is():
    @make_operator
    async def same(frames: Streamed[DenseFrames]) -> DenseFrames:
        """The same."""
        return frames

    payload = _codec.encode(dense((2, 3, 4), np.uint8), identity=bytes(16))
    done = await Caller(same, Kernel(same, {}), 10.0).call({"frames": _streamed.streamed(payload)})

    assert [one.error.split(";")[0] for one in done.failed] == [
        "BatchError: operator same returned its streamed input"
    ] * 2


async def test_rows_are_of_images_and_pieces_of_whole_messages():
    streamed = _streamed.streamed(_codec.encode(values(4), identity=bytes(16)))

    with pytest.raises(BatchError, match="kind values has no rows"):
        streamed.rows()
    part = streamed.select([True, False, True])
    with pytest.raises(BatchError, match=r"2 of 3 frames .* whole"):
        part.pieces()
    assert (await part.whole()).columns["b"].tolist() == [0, 2]


async def test_a_reader_killed_in_the_middle_leaves_the_frame_to_its_next_life(server):
    """Which reads it from its beginning, and acknowledges it after its end."""
    data = np.ones((1, 100, 200_000), np.uint8)
    scan = Scan("s", (2,))
    parts = [DenseFrames(scan=scan, start=n, stop=n + 1, data=data) for n in range(2)]
    read = given(parts)
    edge = ("given.out", "mortal.frames")
    plan = planned("killed", [read, large_sink.mortal], [edge], max_bytes=128 << 20, ack_wait="1s")
    config = plan.operators["mortal"].model_dump_json(by_alias=True)
    arguments = "sdk.large_sink", server.url, server.token, config

    async with running(server, plan) as run, run.start(read):
        async with process_of(*arguments, "die") as first:
            lines = (await first.stdout.read()).decode().splitlines()
        async with process_of(*arguments) as second:
            assert await second.stdout.readline() == b"ready\n"
            told = [json.loads(await second.stdout.readline()) for _ in range(2)]
            await run.until("mortal", lambda told: told.state == "done")
            second.terminate()
        await emptied(run, plan)

    assert (lines, first.returncode) == (["ready"], -signal.SIGKILL)
    assert sorted(told) == [[0, data.nbytes], [1, data.nbytes]]


def test_the_example_of_the_guide_finds_the_highest_count_without_nats(tmp_path):
    guide = Path(__file__).parents[2] / "docs/guide/operators.md"
    (code,) = [one for one in guide.read_text("utf-8").split("```") if "Streamed[" in one]
    (tmp_path / "example.py").write_text(code.removeprefix("python\n"), "utf-8")
    spec = importlib.util.spec_from_file_location("example", tmp_path / "example.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    scan = frames(shape=(4, 6, 48, 64))

    out = run(example.highest, scan, size=5)

    assert out.columns["highest"].tolist() == scan.data.max(axis=(1, 2)).tolist()
