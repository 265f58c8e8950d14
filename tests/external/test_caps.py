"""Caps of external runs: never passed, first come first served, and nobody waits for others' caps."""

from collections.abc import Mapping

from external.desk import Desk
from external.rig import Rig, bounded
from hypothesis import given
from hypothesis import strategies as st
from interact_api.external import State
from interact_controller.external.caps import TOTAL, Candidate, Caps, Purse, Turn
from interact_controller.seen import Key, Kind


def one(name: str, *purses: Purse, created: str = "2026-01-01T00:00:00Z") -> Candidate:
    key = Key(Kind.EXTERNAL_RUN, "lab", name)
    return Candidate(name, key, Turn(created, name, "lab"), purses)


def limits(given: Mapping[Purse, int]) -> Caps:
    return Caps(given.get)


def names(keys: tuple[Key, ...]) -> list[str]:
    return [key.name for key in keys]


def test_who_was_made_first_begins_first_and_names_break_ties() -> None:
    caps = limits({TOTAL: 2})
    for name, created in [("c", "2"), ("b", "2"), ("a", "3"), ("z", "1")]:
        caps.wait(one(name, created=created))

    first = caps.admit()
    caps.leave("z")
    caps.leave("b")

    assert names(first) == ["z", "b"]
    assert names(caps.admit()) == ["c", "a"]


def test_a_full_system_holds_up_its_own_runs_alone() -> None:
    slow, quick = ("system", "slow"), ("system", "quick")
    caps = limits({slow: 1})
    for name, purse in [("a", slow), ("b", slow), ("c", quick), ("d", quick)]:
        caps.wait(one(name, purse))

    assert names(caps.admit()) == ["a", "c", "d"]
    assert caps.behind("b") == slow
    assert caps.behind("a") is None


def test_what_was_begun_before_counts_even_above_the_cap() -> None:
    caps = limits({TOTAL: 1})
    caps.hold("x", ())
    caps.hold("y", ())
    caps.wait(one("a"))

    assert caps.admit() == ()
    caps.leave("x")
    assert caps.admit() == ()
    caps.leave("y")
    assert names(caps.admit()) == ["a"]


def test_who_leaves_the_line_and_comes_again_is_let_in_once() -> None:
    caps = limits({TOTAL: 1})
    caps.hold("x", ())
    caps.wait(one("a"))
    caps.leave("a")
    caps.wait(one("a"))
    caps.leave("x")

    assert names(caps.admit()) == ["a"]
    caps.leave("a")
    assert (caps.admit(), caps.count()) == ((), 0)


PURSES = st.sampled_from([(), (("system", "s"),), (("operator", "o"),), (("system", "s"), ("operator", "o"))])  # fmt: skip
MOVES = st.lists(st.tuples(st.sampled_from(["wait", "leave", "admit"]), st.integers(0, 9), PURSES))
ROOM: Mapping[Purse, int] = {TOTAL: 4, ("system", "s"): 2, ("operator", "o"): 3}


@given(MOVES)
def test_whatever_happens_no_cap_is_passed_and_nobody_is_held_up_for_nothing(
    moves: list[tuple[str, int, tuple[Purse, ...]]],
) -> None:
    caps = limits(ROOM)
    begun: dict[str, tuple[Purse, ...]] = {}
    waits: dict[str, tuple[Purse, ...]] = {}
    for move, number, purses in moves:
        name = f"run-{number}"
        if move == "wait" and name not in begun:
            waits.setdefault(name, purses)
            caps.wait(one(name, *waits[name]))
        elif move == "leave":
            caps.leave(name)
            begun.pop(name, None)
            waits.pop(name, None)
        elif move == "admit":
            for key in caps.admit():
                begun[key.name] = waits.pop(key.name)
            full = {purse for purse in ROOM if count(begun, purse) >= ROOM[purse]}
            assert all(count(begun, purse) <= ROOM[purse] for purse in ROOM)
            assert all(full & {TOTAL, *purses} for purses in waits.values())


def count(begun: Mapping[str, tuple[Purse, ...]], purse: Purse) -> int:
    return sum(purse == TOTAL or purse in purses for purses in begun.values())


async def test_on_a_server_runs_come_in_order_and_never_more_than_the_cap(
    rig: Rig, desk: Desk
) -> None:
    desk.polls = 2
    rig.system(maxRuns=3)
    made = [rig.create(f"run-{number:03}") for number in range(12)]

    async with rig.controller() as controller:
        await controller.drain()
        queued = [rig.reason(one) for one in made if rig.status(one)["reason"] == "Queued"]
        await controller.until_rest()
    turns = sorted(made, key=lambda one: (created(rig, one), one))

    assert len(queued) == 9
    assert all("cap of 3" in words for words in queued)
    assert desk.most == 3
    keys = [rig.status(one)["idempotencyKey"] for one in turns]
    assert [job.key for job in desk.jobs] == keys
    assert {rig.status(one)["phase"] for one in made} == {"COMPLETED"}
    assert rig.claims() == []


async def test_a_controller_that_begins_looks_at_them_in_their_turn(rig: Rig) -> None:
    for index, name in [(1, "c"), (2, "b"), (3, "a")]:  # lists have them by name
        run = rig.create(name)
        marked = {"metadata": {"labels": {"interact.science/index": str(index)}}}
        rig.kube.patch("externalruns", run, marked)

    async with rig.controller() as controller:
        assert names(tuple(controller.woken.keys)) == ["c", "b", "a"]


async def test_the_cap_of_all_runs_holds_with_claims_of_runs_that_are_gone(
    rig: Rig, desk: Desk
) -> None:
    rig = bounded(rig, runs=1)
    desk.polls = None
    first, second = rig.create(), rig.create()
    async with rig.controller() as controller:
        await controller.drain()
    desk.away = True
    rig.kube.delete("externalruns", first)

    async with rig.controller() as controller:
        await controller.drain()
        held = rig.status(second)["reason"]
        desk.away, desk.polls = False, 1
        await controller.until_rest()

    assert held == "Queued"
    assert [one.state for one in desk.jobs] == [State.CANCELLED, State.SUCCEEDED]
    assert desk.most == 1


def created(rig: Rig, name: str) -> str:
    return str(rig.kube.get("externalruns", name)["metadata"]["creationTimestamp"])
