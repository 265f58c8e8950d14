"""What is kept of messages that could not be processed, on a broker with a limit."""

import numpy as np
import pytest
from interact import _codec
from interact._errors import TooLarge
from interact._kernel import failure
from interact._letters import Letters
from interact._redrive import letter
from interact._tally import Tally
from interact.testing import frames
from interact_api.config import OperatorConfig
from interact_api.wire import WireError

LIMIT = 40_000


class Limited:
    """A broker that takes messages up to a limit, and each identity once."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def publish(self, subject, payload, *, identity="", stored=None):
        if len(payload) > LIMIT:
            raise TooLarge(len(payload), LIMIT)
        self.kept.setdefault(identity, payload)
        if stored is not None:
            await stored()

    async def flush(self):
        """Everything is stored at once."""


@pytest.fixture
def broker():
    return Limited()


@pytest.fixture
def letters(broker):
    config = OperatorConfig(
        namespace="test", pipeline="p", operator="fragile", run="ab", role="transform",
        parallel=True, replicas=1, parameters={}, kernel_timeout_seconds=60, inputs=[],
        outputs=[], dead_letter_subject="d", dead_letter_stream="d", state_bucket="b",
        images_subject="i", images_stream="i", status_subject="t",
    )  # fmt: skip
    return Letters(config, broker, Tally("fragile", 0, "transform"))


async def nothing():
    """Nobody waits for the letter."""


async def test_undecodable_messages_that_begin_alike_are_both_kept(broker, letters):
    error = WireError("magic", b"", "must be ours")
    for tail in (b"one", b"two"):
        await letters.undecodable("part", b"\xff" * 5000 + tail, error, stored=nothing)

    kept = [letter(1, payload, 0.0) for payload in broker.kept.values()]
    assert {one.raw for one in kept} == {b"\xff" * 5000 + b"one", b"\xff" * 5000 + b"two"}
    assert {one.error for one in kept} == {"WireError: message magic is b'': must be ours"}
    assert {(one.kind, one.operator, one.port) for one in kept} == {
        ("undecodable", "fragile", "part")
    }


async def test_the_beginning_is_kept_of_what_no_letter_can_hold(broker, letters):
    answered = []

    async def stored():
        answered.append(True)

    error = WireError("magic", b"", "must be ours")
    await letters.undecodable("part", bytes(LIMIT + 1), error, stored=stored)

    [kept] = [letter(1, payload, 0.0) for payload in broker.kept.values()]
    assert (len(kept.raw), kept.whole) == (LIMIT // 2, False)
    assert answered == [True]


async def test_a_failed_message_that_leaves_no_room_for_its_reason_is_named(broker, letters):
    part = frames(shape=(3, 5, 48, 64))
    header, batch = _codec.decode(_codec.encode(part, identity=b"i" * 16))

    await letters.failed(header, (failure({"part": batch}, RuntimeError("x" * 2_000_000)),))

    _, letter = _codec.decode(next(iter(broker.kept.values())))
    assert (letter.kind, letter.scan, letter.start, letter.stop) == ("none", part.scan, 0, 15)
    assert letter.attributes["error"].startswith("RuntimeError: xxx")
    assert letter.attributes["operator"] == "fragile"


async def test_a_failed_frame_is_kept_whole_however_long_its_reason(broker, letters):
    part = frames(shape=(1, 1, 48, 64))
    header, batch = _codec.decode(_codec.encode(part, identity=b"i" * 16))

    await letters.failed(header, (failure({"part": batch}, RuntimeError("x" * 2_000_000)),))

    _, letter = _codec.decode(next(iter(broker.kept.values())))
    assert np.array_equal(letter.data, part.data)
