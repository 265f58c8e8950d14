"""Replicas by what waits: at once up, late down, never to and fro."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_controller.scaling import Choice, Load, Memory, Range, choice

CALM = 60.0
LOOK = 10.0
RANGES = st.builds(
    lambda least, more, target: Range(least, max(least + more, 1), target),
    st.integers(0, 4), st.integers(0, 12), st.integers(1, 200),
)  # fmt: skip
LOADS = st.builds(Load, st.floats(0, 5000), st.floats(0, 16))


def play(asked, loads, current=1):
    """Replicas after each look."""
    found, memory = [], Memory()
    for number, load in enumerate(loads):
        chosen = choice(asked, load, current, memory, LOOK * number, CALM)
        current, memory = chosen.replicas, chosen.memory
        found.append(current)
    return found


@pytest.mark.parametrize(
    ("waiting", "replicas"),
    [
        pytest.param(0, 1, id="nothing waits"),
        pytest.param(64, 1, id="as much as one may have before it"),
        pytest.param(65, 2, id="a frame more"),
        pytest.param(1000, 4, id="more than the most can have"),
    ],
)
def test_more_replicas_come_at_once(waiting, replicas):
    assert play(Range(1, 4, 64), [Load(waiting)]) == [replicas]


def test_fewer_replicas_come_after_a_time_of_calm():
    after = play(Range(1, 4, 64), [Load(300)] + [Load(0)] * 10)

    assert after == [4] * 6 + [1] * 5


def test_a_single_busy_look_begins_the_time_of_calm_anew():
    after = play(Range(1, 4, 64), [Load(300)] + [Load(0)] * 4 + [Load(200)] + [Load(0)] * 8)

    assert after.index(1) == 12


def test_replicas_that_keep_up_are_left_alone_though_nothing_waits():
    assert play(Range(1, 4, 64), [Load(0, busy=3.1)] * 30, current=4) == [4] * 30


def test_an_operator_may_go_to_nothing_and_comes_back_for_one_frame():
    after = play(Range(0, 4, 64), [*[Load(0)] * 8, Load(1)])

    assert after == [1] * 6 + [0, 0, 1]


def test_one_that_still_works_does_not_go_to_nothing():
    assert play(Range(0, 4, 64), [Load(0, busy=0.01)] * 20) == [1] * 20


def test_a_new_controller_waits_for_its_own_time_of_calm():
    asked, idle = Range(1, 4, 64), Load(0)

    first = choice(asked, idle, 4, Memory(), 1000.0, CALM)

    assert first.replicas == 4
    assert choice(asked, idle, 4, first.memory, 1000.0 + CALM, CALM).replicas == 1


@pytest.mark.parametrize(("current", "replicas"), [(9, 4), (0, 2)], ids=["too many", "too few"])
def test_a_changed_range_takes_effect_at_once(current, replicas):
    assert play(Range(2, 4, 64), [Load(0)], current=current) == [replicas]


def test_why_there_are_so_many_is_kept_while_it_stays_so():
    first = choice(Range(1, 4, 64), Load(200), 1, Memory(), 0.0, CALM)

    second = choice(Range(1, 4, 64), Load(190), first.replicas, first.memory, LOOK, CALM)

    assert first.memory.why == "200 frames waited, 64 are aimed at for each"
    assert second == Choice(4, second.memory)
    assert second.memory.why == first.memory.why


@given(RANGES, st.lists(LOADS, min_size=1, max_size=60), st.integers(0, 16))
def test_whatever_comes_the_number_is_in_its_range_and_rises_and_falls_far_apart(
    asked, loads, current
):
    after = play(asked, loads, current)

    assert all(asked.least <= number <= asked.most for number in after)
    steps = [(LOOK * n, b - a) for n, (a, b) in enumerate(pairwise(after), 1)]
    raised = -math.inf
    for at, step in steps:
        if step > 0:
            raised = at
        assert step >= 0 or at - raised >= CALM
    for number, (load, there) in enumerate(zip(loads, after, strict=True)):
        wanted = min(max(math.ceil(load.waiting / asked.target), asked.least), asked.most)
        assert there >= wanted, number


@given(RANGES, LOADS, st.integers(0, 16))
def test_a_steady_load_comes_to_a_steady_number(asked, load, current):
    after = play(asked, [load] * 30, current)

    assert len(set(after[8:])) == 1


@given(
    st.integers(2, 12), st.integers(1, 200), st.floats(0.02, 1.5), st.floats(0.2, 40),
    st.integers(0, 1),
)  # fmt: skip
def test_a_queue_that_is_fed_at_a_pace_settles_and_stays(most, target, share, speed, least):
    """Replicas that take frames from the queue they are chosen by: no number comes twice."""
    asked = Range(least, most, target)
    arriving, waiting, current, memory = share * most * speed, 0.0, 1, Memory()
    numbers = []
    for look in range(400):
        done = min(waiting + arriving * LOOK, current * speed * LOOK)
        waiting += arriving * LOOK - done
        load = Load(waiting, done / speed / LOOK)
        chosen = choice(asked, load, current, memory, LOOK * look, CALM)
        current, memory = chosen.replicas, chosen.memory
        numbers.append(current)

    settled = numbers[100:] if share < 1 else numbers[200:]
    changes = sum(a != b for a, b in pairwise(settled))
    assert changes <= 1
