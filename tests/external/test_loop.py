"""Looks at external runs against a real API server, over another system in memory."""

from typing import Any

import pytest
from cluster.kube import Object, condition
from external.desk import Desk, maker, refused
from external.rig import Rig, bounded
from interact_api.external import Observation, Repeat, State
from interact_controller.external.driver import Ambiguous, ExternalError

SEVEN = {"Created", "Submitted", "Running", "WaitingExternal", "Completed", "Failed", "Cancelled"}


def true(given: Object) -> set[str]:
    """The conditions that hold."""
    return {one["type"] for one in given["conditions"] if one["status"] == "True"}


def without_generation(given: Object) -> Object:
    """A status as if it were about any generation of the spec."""
    plain = [{**one, "observedGeneration": 0} for one in given["conditions"]]
    return {**given, "observedGeneration": 0, "conditions": plain}


async def ended(rig: Rig, name: str) -> Object:
    """The status of a run that was looked after until its end."""
    async with rig.controller() as controller:
        return await controller.until_ended(name)


async def running(rig: Rig, desk: Desk, **spec: Any) -> str:
    """A run whose job goes on by itself."""
    desk.polls = None
    name = rig.create(**spec)
    async with rig.controller() as controller:
        await controller.look(name, times=2)
    assert rig.status(name)["phase"] == "RUNNING"
    return name


async def test_a_run_goes_its_way_to_its_results(rig: Rig, desk: Desk) -> None:
    name = rig.create()

    status = await ended(rig, name)

    assert (status["phase"], status["results"]) == ("COMPLETED", {"number": 1})
    assert true(status) == {"Completed", "Succeeded", "Ready", "ResultsCollected"}
    assert {one["type"] for one in status["conditions"]} >= SEVEN
    assert [one.key for one in desk.jobs] == [status["idempotencyKey"]]
    assert (status["externalId"], status["driver"], status["system"]) == ("1", "http", rig.desk)
    assert status["attempts"][0]["endedTime"] == status["completionTime"]
    assert rig.claims() == []
    assert rig.events(name) == ["Submitted", "Completed"]


async def test_every_state_of_the_other_system_is_shown_and_unknown_ones_change_nothing(
    rig: Rig, desk: Desk
) -> None:
    seen = []
    states = [State.QUEUED, State.RUNNING, State.REQUEUED, State.RUNNING, State.WAITING,
              State.UNKNOWN, State.RUNNING]  # fmt: skip
    name = rig.create()
    desk.say("check", *[Observation(state=one) for one in states])

    async with rig.controller() as controller:
        for _ in states:
            await controller.look(name)
            seen.append(rig.status(name)["phase"])
        status = await controller.until_ended(name)

    assert seen == ["SUBMITTED", "RUNNING", "SUBMITTED", "RUNNING", "WAITING_EXTERNAL",
                    "WAITING_EXTERNAL", "RUNNING"]  # fmt: skip
    assert status["phase"] == "COMPLETED"


async def test_a_retry_is_another_attempt_with_a_key_of_its_own(rig: Rig, desk: Desk) -> None:
    failed = Observation(state=State.FAILED, reason="NonZeroExit", message="exit code 3")
    desk.say("check", failed, failed)
    name = rig.create(retry={"limit": 2, "backoff": "30s"})

    async with rig.controller() as controller:
        await controller.look(name)
        first = rig.status(name)
        wait = await controller.look(name)
        status = await controller.until_ended(name)

    assert (first["phase"], first["attempt"], first["reason"]) == ("CREATED", 2, "Retrying")
    assert "exit code 3" in first["message"]
    assert condition({"status": first}, "Succeeded")["status"] == "Unknown"
    assert wait is not None
    assert 20 < wait <= 31
    assert [one["phase"] for one in status["attempts"]] == ["FAILED", "FAILED", "COMPLETED"]
    assert [one["externalId"] for one in status["attempts"]] == ["1", "2", "3"]
    assert len({one.key for one in desk.jobs}) == 3
    assert rig.claims() == []


async def test_a_run_fails_once_its_retries_are_spent_or_its_reason_is_not_among_them(
    rig: Rig, desk: Desk
) -> None:
    lost = Observation(state=State.LOST, message="it is not there any more")
    desk.say("check", lost, lost, lost)
    once = rig.create(retry={"limit": 1, "backoff": "0s"})
    never = rig.create(retry={"limit": 1, "backoff": "0s", "reasons": ["Timeout"]})

    status, other = await ended(rig, once), await ended(rig, never)

    assert (status["phase"], status["reason"], status["attempt"]) == ("FAILED", "Lost", 2)
    assert true(status) == {"Failed", "Stalled"}
    assert "not there any more" in status["message"]
    assert (other["phase"], other["reason"], other["attempt"]) == ("FAILED", "Lost", 1)


async def test_what_the_system_will_never_take_fails_with_its_words(rig: Rig, desk: Desk) -> None:
    desk.say("submit", refused())
    name = rig.create()
    wrong = rig.create(parameters=[{"name": "wrong", "value": 1}])

    status, invalid = await ended(rig, name), await ended(rig, wrong)

    assert (status["phase"], status["reason"]) == ("FAILED", "Refused")
    assert "full of errors" in status["message"]
    assert (invalid["phase"], invalid["reason"]) == ("FAILED", "InvalidSpec")
    assert "parameters.wrong: remove it" in invalid["message"]
    assert desk.asked.count("submit") == 1
    assert desk.jobs == []
    assert rig.claims() == []


async def test_a_system_that_is_away_is_asked_again_after_longer_pauses(
    rig: Rig, desk: Desk
) -> None:
    name = rig.create()
    desk.away = True

    async with rig.controller() as controller:
        waits = [await controller.look(name) for _ in range(4)]
        status = rig.status(name)
        desk.away = False
        done = await controller.until_ended(name)

    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert (status["phase"], status["reason"]) == ("CREATED", "SystemUnreachable")
    assert "the desk is away" in status["message"]
    assert (done["phase"], len(desk.jobs)) == ("COMPLETED", 1)


@pytest.mark.parametrize("repeat", [Repeat.LOOKUP, Repeat.IDEMPOTENT])
async def test_a_submit_whose_answer_is_lost_is_found_or_made_again_once(
    rig: Rig, desk: Desk, repeat: Repeat
) -> None:
    rig.makers = {"http": maker(desk, repeat)}
    desk.say("submit", "lost", Ambiguous("nothing came"))
    name = rig.create()

    status = await ended(rig, name)

    assert (status["phase"], len(desk.jobs)) == ("COMPLETED", 1)


async def test_nothing_found_is_believed_only_after_the_longest_call(rig: Rig, desk: Desk) -> None:
    desk.say("submit", Ambiguous("nothing came"))  # it may be on its way still
    name = rig.create()

    async with rig.controller() as controller:
        await controller.look(name, times=2)
        early = list(desk.asked)
        rig.clock.ahead += 1.0
        await controller.look(name)

    assert early == ["prepare", "submit", "lookup"]
    assert desk.asked[3:6] == ["lookup", "prepare", "submit"]


async def test_a_driver_that_hangs_or_breaks_holds_up_nothing(rig: Rig, desk: Desk) -> None:
    name = rig.create()
    desk.say("check", ValueError("a mistake"), ExternalError("rubbish"))
    desk.say("collect", KeyError("another"))

    status = await ended(rig, name)

    assert (status["phase"], status["results"]) == ("COMPLETED", {"number": 1})
    assert (desk.asked.count("check"), desk.asked.count("collect")) == (3, 2)


async def test_results_are_collected_apart_and_whatever_the_system_says_later(
    rig: Rig, desk: Desk
) -> None:
    name = rig.create()
    desk.say("collect", ExternalError("the disk is away"), ExternalError("the disk is away"))

    async with rig.controller() as controller:
        await controller.look(name)
        status = rig.status(name)
        desk.jobs[0].state = State.LOST  # it forgets the job after its end
        done = await controller.until_ended(name)

    assert (status["phase"], status["reason"]) == ("SUBMITTED", "Collecting")
    assert condition({"status": status}, "ResultsCollected")["status"] == "False"
    assert done["phase"] == "COMPLETED"
    assert condition({"status": done}, "ResultsCollected")["status"] == "True"
    assert desk.asked.count("check") == 1


async def test_an_end_is_an_end_and_says_that_it_saw_the_newest_spec(rig: Rig, desk: Desk) -> None:
    name = rig.create()
    done = await ended(rig, name)
    asked = list(desk.asked)
    desk.jobs[0].state = State.RUNNING
    rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})

    async with rig.controller() as controller:
        await controller.look(name, times=3)

    after = rig.status(name)
    assert (done["observedGeneration"], after["observedGeneration"]) == (1, 2)
    assert without_generation(after) == without_generation(done)
    assert desk.asked == asked


async def test_cancelling_stops_the_work_and_is_confirmed(rig: Rig, desk: Desk) -> None:
    name = await running(rig, desk)
    desk.say("cancel", False, ExternalError("busy"))
    rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})

    async with rig.controller() as controller:
        await controller.look(name)
        status = rig.status(name)
        done = await controller.until_ended(name)

    assert (status["phase"], status["reason"]) == ("RUNNING", "Cancelling")
    assert (done["phase"], desk.busy) == ("CANCELLED", 0)
    assert true(done) == {"Cancelled", "Stalled"}
    assert rig.claims() == []


async def test_a_run_is_cancelled_before_anything_is_submitted(rig: Rig, desk: Desk) -> None:
    name = rig.create(cancel=True)

    status = await ended(rig, name)

    assert (status["phase"], desk.jobs) == ("CANCELLED", [])


async def test_what_succeeded_before_it_could_be_stopped_has_succeeded(
    rig: Rig, desk: Desk
) -> None:
    name = await running(rig, desk)
    desk.jobs[0].state = State.SUCCEEDED
    rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})

    status = await ended(rig, name)

    assert (status["phase"], status["results"]) == ("COMPLETED", {"number": 1})


@pytest.mark.parametrize(
    ("spec", "state", "reason"),
    [
        pytest.param({"deadline": "1h"}, State.RUNNING, "DeadlineExceeded", id="deadline"),
        pytest.param({"timeout": "1h"}, State.RUNNING, "Timeout", id="timeout of an attempt"),
        pytest.param({"waitingTimeout": "1h"}, State.WAITING, "WaitingTimeout", id="waiting"),
    ],
)
async def test_a_time_that_is_over_stops_the_work_before_the_run_fails(
    rig: Rig, desk: Desk, spec: dict[str, str], state: State, reason: str
) -> None:
    name = await running(rig, desk, **spec)
    desk.jobs[0].state = state

    async with rig.controller() as controller:
        rig.clock.ahead += 3500
        await controller.look(name)
        early = rig.status(name)["phase"]
        rig.clock.ahead += 3700
        wait = await controller.look(name)
        status = rig.status(name)

    assert early in {"RUNNING", "WAITING_EXTERNAL"}
    assert wait is None
    assert (status["phase"], status["reason"]) == ("FAILED", reason)
    assert desk.jobs[0].state is State.CANCELLED


async def test_work_that_cannot_be_stopped_is_left_to_the_sweeper_and_not_tried_again(
    rig: Rig, desk: Desk
) -> None:
    rig = bounded(rig, cancel_seconds=60.0, claim_seconds=600.0)
    name = await running(rig, desk, timeout="1h", retry={"limit": 3})
    desk.away = True
    rig.clock.ahead += 3700

    async with rig.controller() as controller:
        await controller.look(name)
        assert rig.status(name)["reason"] == "Cancelling"
        rig.clock.ahead += 61
        await controller.look(name)
        status = rig.status(name)
        [claim] = rig.claims()
        desk.away = False
        await controller.look(name)

    assert (status["phase"], status["reason"], status["attempt"]) == ("FAILED", "Timeout", 1)
    assert "may still run" in status["message"]
    assert "the desk is away" in claim["data"]["why"]
    assert (desk.jobs[0].state, rig.claims()) == (State.CANCELLED, [])
    assert rig.events(claim["metadata"]["name"], rig.release) == ["Cancelled"]


async def test_a_suspended_run_submits_nothing_and_what_runs_is_looked_after(
    rig: Rig, desk: Desk
) -> None:
    waiting = rig.create(suspend=True)
    name = await running(rig, desk)
    rig.kube.patch("externalruns", name, {"spec": {"suspend": True}})
    desk.polls = 1

    async with rig.controller() as controller:
        status = await controller.until_ended(name)
        await controller.look(waiting, times=2)
        held = rig.status(waiting)
        rig.kube.patch("externalruns", waiting, {"spec": {"suspend": False}})
        done = await controller.until_ended(waiting)

    assert status["phase"] == "COMPLETED"
    assert (held["phase"], held["reason"]) == ("CREATED", "Suspended")
    assert (done["phase"], len(desk.jobs)) == ("COMPLETED", 2)


async def test_the_other_system_is_told_when_the_attempt_ends(rig: Rig, desk: Desk) -> None:
    desk.polls = None
    name = rig.create(timeout="30m", deadline="2h")

    async with rig.controller() as controller:
        before = rig.clock.now()
        await controller.look(name)
        [claim] = controller.office.claims.all()
    async with rig.controller() as controller:
        [again] = controller.office.claims.all()

    assert claim.run.deadline is not None
    assert 0 <= (claim.run.deadline - before).total_seconds() - 1800 < 60
    assert again == claim  # it is written down, and the same after a restart


async def test_a_claim_that_somebody_removes_is_made_again_and_nothing_is_submitted_twice(
    rig: Rig, desk: Desk
) -> None:
    name = await running(rig, desk)
    [claim] = rig.claims()
    rig.kube.delete("configmaps", claim["metadata"]["name"], rig.release)
    desk.polls = 1

    status = await ended(rig, name)

    assert (status["phase"], len(desk.jobs)) == ("COMPLETED", 1)


async def test_a_run_that_has_ended_goes_after_its_time(rig: Rig, desk: Desk) -> None:
    name = rig.create(ttlAfterFinished="1h")

    async with rig.controller() as controller:
        wait = await controller.look(name)
        assert rig.status(name)["phase"] == "COMPLETED"
        assert wait is not None
        assert 3500 < wait <= 3600
        rig.clock.ahead += 3601
        await controller.look(name)

    assert rig.kube.find("externalruns", name) is None


async def test_a_late_write_of_a_former_leader_changes_nothing(rig: Rig, desk: Desk) -> None:
    desk.polls = None
    name = rig.create()
    async with rig.controller() as former:
        await former.hear()
        async with rig.controller() as leader:
            await leader.look(name, times=2)
        before = rig.status(name)
        await former.office.loop.look(former.key(name))  # it heard of nothing meanwhile

    assert rig.status(name) == before
    assert (before["phase"], len(desk.jobs)) == ("RUNNING", 1)
