"""Dead letters read back, whatever somebody put there."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interact import Image, Scan, Tombstone, Values, _codec, _redrive
from interact._letters import alone
from interact._redrive import Letter, RedriveError
from interact.testing import frames
from interact_api import wire

FRAME = frames(shape=(1, 1, 8, 12), disk=(3, 7, 2))
WHY = {
    "error": "ValueError: no", "traceback": "Traceback …", "kind": "exception", "operator": "count",
    "port": "part", "source": "read.out", "image": "count:1", "revision": 3, "attempts": 2,
    "sequence": 41, "at": 1700000000.5,
}  # fmt: skip


def kept(batch=FRAME, edition=0, **why) -> bytes:
    own = {"attributes": dict(batch.attributes)} if batch.attributes else {}
    letter = batch.replace(attributes={**WHY, **own, **why})
    return _codec.encode(letter, identity=b"i" * 16, lane="read", revision=2, edition=edition)


def test_a_letter_says_all_that_is_known_of_it():
    batch = FRAME.replace(attributes={"title": "a title", "error": "the frame's own"})

    one = _redrive.letter(7, kept(batch, edition=1), 1.0)

    assert msgspec.structs.asdict(one.batch)["attributes"] == dict(batch.attributes)
    assert np.array_equal(one.batch.data, FRAME.data)
    known = {name: getattr(one, name) for name in (*Letter.__slots__[:15], "whole")}
    assert known == {
        "sequence": 7, "at": 1700000000.5, "kind": "exception", "error": "ValueError: no",
        "traceback": "Traceback …", "operator": "count", "port": "part", "source": "read.out",
        "image": "count:1", "revision": 3, "attempts": 2, "message": 41, "edition": 1,
        "scan": FRAME.scan.id, "start": 0, "whole": True,
    }  # fmt: skip


def test_of_the_beginning_of_a_letter_everything_but_the_frame_is_known():
    payload = kept()
    beginning = payload[: len(payload) - FRAME.data.nbytes]

    one = _redrive.head(7, beginning, 1.0)

    whole = _redrive.letter(7, payload, 1.0)
    names = [name for name in Letter.__slots__ if name not in {"batch", "deferred"}]
    assert [getattr(one, name) for name in names] == [getattr(whole, name) for name in names]
    assert (one.batch, one.deferred) == (None, True)


def test_a_frame_is_sent_again_as_it_was_with_the_next_edition_and_an_address():
    batch = FRAME.replace(attributes={"title": "a title"})
    name, pieces = _redrive.again(_redrive.letter(7, kept(batch, edition=4), 1.0))
    header, sent = _codec.decode(b"".join(pieces.parts))

    assert (header.edition, header.identity.hex(), header.lane) == (5, name, "read")
    assert _redrive.received(header, sent, "another", "part") is None
    taken = _redrive.received(header, sent, "count", "part")
    assert taken.attributes == {"title": "a title"}
    assert np.array_equal(taken.data, FRAME.data)


def test_the_same_letter_is_sent_under_the_same_name_and_another_under_another():
    def name(sequence, edition):
        return _redrive.again(_redrive.letter(sequence, kept(edition=edition), 1.0))[0]

    assert name(1, 0) == name(2, 0) != name(1, 1)


PARTIAL = Image(scan=FRAME.scan, start=0, stop=0, channels={"a": np.zeros((1, 1))})


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        pytest.param(b"rubbish", "does not say where it came from", id="no letter of ours"),
        pytest.param(kept(source=""), "does not say where it came from", id="no source"),
        pytest.param(kept(bare=True), "too large to be kept", id="only its coverage was kept"),
        pytest.param(kept(PARTIAL), "a later one has replaced it", id="a partial picture"),
    ],
)
def test_what_cannot_be_sent_again_says_why(payload, words):
    with pytest.raises(RedriveError, match=words):
        _redrive.again(_redrive.letter(7, payload, 1.0, "count"))


def test_a_part_of_a_message_covers_its_own_frames_only():
    scan = Scan("s-0", (2, 10))
    batch = Values(
        scan=scan, start=0, stop=10, columns={"v": np.arange(8)},
        tombstones=(Tombstone("filtered", 0, 1), Tombstone("filtered", 5, 6)),
    )  # fmt: skip

    part = alone(batch.select(np.isin(batch.index, [4, 6]), reason="apart"))
    single = alone(batch.select(batch.index == 7, reason="apart"))

    assert (part.start, part.stop, part.index.tolist()) == (4, 7, [4, 6])
    assert (single.start, single.stop, single.tombstones) == (7, 8, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*WHY, "attributes", "joined", "bare", "_"]), JSON))
def test_facts_of_any_type_make_a_letter_all_the_same(why):
    header = wire.Header(
        kind="none", scan=wire.encoded_scan(FRAME.scan), start=0, stop=1, identity=b"i" * 16,
        lane="read", attributes=why,
    )  # fmt: skip

    one = _redrive.letter(1, wire.prefix_and_header(header), 5.0, "count")

    words = (one.kind, one.error, one.operator, one.port, one.source, one.image, *one.joined)
    assert all(isinstance(word, str) for word in words)
    assert all(isinstance(n, int) for n in (one.revision, one.attempts, one.message))
    assert 0 <= one.at < 1 << 62


@settings(max_examples=200)
@given(st.data())
def test_damaged_letters_are_read_as_what_they_are(data):
    payload = bytearray(kept())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(st.integers(0, 255))
    cut = bytes(payload[: data.draw(st.integers(0, len(payload)))])

    for read in (_redrive.letter, _redrive.head):
        one = read(1, cut, 5.0, "count")
        assert isinstance(one.error, str)
        assert one.kind != _redrive.UNREADABLE or one.raw == cut
