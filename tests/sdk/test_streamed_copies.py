"""Copies of messages that are read in pieces: as the whole's would be, and without the whole."""

import numpy as np
import pytest
from interact import DenseFrames, Streamed, _chunks, _codec, _copied, _redrive, _streamed
from interact import operator as make_operator
from interact._carrier import Carrier
from interact.testing import frames, sparse
from interact_api import wire
from sdk.at_work import planned
from sdk.test_chunks import edges, held_bytes
from sdk.test_chunks_pipeline import DATA, KIB, SCAN, cutting
from sdk.test_streamed import CHUNK, dense, given, sums_of, values

pytestmark = pytest.mark.nats

LISTED = dense((3, 41, 37), np.float64).replace(y=np.array([1.0, 2.0, 5.0]), x=np.arange(3))


@pytest.mark.parametrize(
    ("batch", "keep"),
    [
        pytest.param(LISTED, [True, True, True], id="all frames of a list"),
        pytest.param(LISTED, [True, False, True], id="two frames of a list"),
        pytest.param(dense((3, 5, 7), np.uint8), [False, False, True], id="a frame of small ones"),
        pytest.param(values(1001), [True, True, True], id="numbers"),
        pytest.param(sparse(frames(shape=(1, 3, 48, 64))), [True, True, True], id="events"),
    ],
)
async def test_a_copy_of_a_message_read_in_pieces_is_that_of_the_whole(batch, keep):
    streamed = _streamed.streamed(_codec.encode(batch, identity=bytes(16)))
    part, expected = streamed.select(keep), batch.select(keep)

    copy = _copied.pieces(part, identity=b"i" * 16, edition=3)

    payload = await copy.joined()
    header, again = _codec.decode(payload)
    assert (len(payload), header.edition, header.identity) == (copy.size, 3, b"i" * 16)
    assert again.index.tolist() == expected.index.tolist()
    assert again.tombstones == expected.tombstones
    assert again.arrays().keys() == expected.arrays().keys()
    for name, array in expected.arrays().items():
        assert np.array_equal(again.arrays()[name], array), name


async def test_a_frame_of_a_large_message_is_a_letter_that_can_be_sent_again(server):
    """It is copied from chunk to chunk."""

    @make_operator(name="sum")
    async def fails(frames: Streamed[DenseFrames]) -> None:
        """Not on all of them."""
        sums, _ = await sums_of(frames)
        if 8 in sums:
            raise ValueError("the ninth frame is bad")

    read = given([SCAN])
    plan = planned("letters", [read, fails], [("given.out", "sum.frames")])
    async with cutting(server, plan, 1 * KIB) as run, run.start(read, fails):
        await run.until("sum", lambda told: told.state == "done")
        stored = run.broker.last_values(plan.operators["sum"].dead_letter_stream, ">")
        letters = [_redrive.letter(1, payload, 0.0) async for _, payload in stored]

    [letter] = letters
    assert (letter.frames, letter.whole, letter.kind) == ("8", True, "exception")
    assert np.array_equal(letter.batch.data, DATA[8:9])
    header, _ = wire.parse(await _redrive.again(letter)[1].joined())
    assert (header.start, header.stop, header.edition) == (8, 9, 1)


async def test_a_letter_whose_message_goes_while_it_is_copied_leaves_no_chunks(server):
    class Going(_streamed.Held):
        async def parts(self):
            yield bytes(3 * CHUNK)
            raise _chunks.Gone

    streamed = _streamed.streamed(_codec.encode(LISTED, identity=bytes(16)))
    streamed.message.source = Going(bytes(streamed.size))

    async with edges(server, "going", message_bytes=100) as (broker, place):
        broker.large._chunk_bytes = CHUNK
        with pytest.raises(_chunks.Gone):
            await Carrier(broker, "op/0").publish(
                "going.out.s", _copied.pieces(streamed, bytes(16)), place=place, identity="one"
            )
        sender = broker.large.tend(place, "op/0")
        await sender.ledger.load()
        left = await held_bytes(broker, place)

    assert (left, sender.ledger.entries, sender.sweeper.own) == (0, (), set())
