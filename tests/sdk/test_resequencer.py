"""The order of messages, whatever the order they come in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact._resequencer import Resequencer

LARGE = 1 << 30


@st.composite
def arrivals(draw):
    """Messages of several sequences, in any order, some of them more than once."""
    sent = []
    for key in draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)):
        edges = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=12)) | {0})
        sent += [(key, start, stop) for start, stop in itertools.pairwise(edges)]
    again = draw(st.lists(st.sampled_from(sent), max_size=12))
    return sent, draw(st.permutations([*sent, *again]))


@given(arrivals())
def test_whatever_comes_is_given_in_order_and_each_once(given_):
    sent, order = given_
    sequence: Resequencer[str, tuple] = Resequencer(LARGE, lambda _: 0)
    taken, repeated, covered = [], [], {}

    for number, (key, start, stop) in enumerate(order):
        turn = sequence.add(key, start, stop, 1, (key, start, stop, number))
        for item in turn.ready:
            if item[2] <= covered.get(item[0], 0):
                repeated.append(item)  # a ledger tells by its coverage that it was taken before
            else:
                taken.append(item[:3])
                covered[item[0]] = item[2]
        repeated += turn.repeated
        assert turn.excess == ()

    for key in {key for key, _, _ in sent}:
        assert [one for one in taken if one[0] == key] == sorted(
            one for one in sent if one[0] == key
        )
    assert len(taken) + len(repeated) == len(order), "every delivery is given out, to be answered"
    assert (len(sequence), sequence.bytes, sequence.gap) == (0, 0, None)


@given(arrivals(), st.integers(0, 8))
def test_what_there_is_no_room_for_comes_again_and_memory_is_bounded(given_, room):
    sent, order = given_
    sequence: Resequencer[str, tuple] = Resequencer(room, lambda _: 0)
    taken, later = [], list(order)

    while later:
        again = []
        for one in later:
            turn = sequence.add(*one, 1, one)
            assert sequence.bytes == len(sequence) <= room
            taken += turn.ready
            again += turn.excess
        assert len(again) < len(later), "each round brings at least one message its turn"
        later = again

    first = list(dict.fromkeys(taken))
    for key in {key for key, _, _ in sent}:
        assert [one for one in first if one[0] == key] == sorted(
            one for one in sent if one[0] == key
        )


def test_a_sequence_begins_where_a_former_life_stopped():
    sequence: Resequencer[str, str] = Resequencer(LARGE, {"a": 10, "b": 0}.__getitem__)

    assert sequence.add("b", 10, 20, 1, "early").ready == ()
    assert sequence.add("a", 20, 30, 1, "third").ready == ()
    assert sequence.add("a", 0, 10, 1, "known").ready == ("known",)
    assert sequence.add("a", 10, 20, 1, "second").ready == ("second", "third")


def test_the_farthest_from_its_turn_is_given_back_first():
    sequence: Resequencer[str, str] = Resequencer(20, lambda _: 0)

    assert sequence.add("a", 50, 60, 10, "far").excess == ()
    assert sequence.add("a", 10, 20, 10, "near").excess == ()
    assert sequence.add("a", 20, 30, 10, "middle").excess == ("far",)
    assert sequence.gap == ("a", 0)
    assert sequence.add("a", 0, 10, 10, "first").ready == ("first", "near", "middle")


@pytest.mark.parametrize("over", ["a", "b"])
def test_a_sequence_that_is_over_gives_up_what_waited(over):
    sequence: Resequencer[str, str] = Resequencer(LARGE, lambda _: 0)
    sequence.add("a", 5, 6, 3, "of a")
    sequence.add("b", 5, 6, 4, "of b")

    assert sequence.forget(over) == (f"of {over}",)

    assert (len(sequence), sequence.bytes) == (1, 4 if over == "a" else 3)
    assert over not in sequence.keys
