"""Laws of external runs: whatever happens, in whatever order, there is one job for each attempt."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from external import memory
from external.desk import ENDED, Desk, maker
from hypothesis import given, settings
from hypothesis import strategies as st
from interact_api.external import Observation, Repeat, State
from interact_controller.errors import ControllerError
from interact_controller.external import failpoints
from interact_controller.external.calls import Tenure
from interact_controller.external.driver import Ambiguous, ExternalError
from interact_controller.external.office import Bounds, Given, Office
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind
from interact_controller.store import Objects

SYSTEM: dict[str, Any] = {
    "apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem",
    "metadata": {"name": "desk", "uid": "desk", "resourceVersion": "1"},
    "spec": {"driver": "http", "namespaces": ["lab"], "pollInterval": "10s",
             "http": {"url": "https://desk.example", "submit": {"path": "/"},
                      "check": {"path": "/"}, "states": {"done": "Succeeded"}}},
}  # fmt: skip
SPEC: dict[str, Any] = {"retry": {"limit": 2, "backoff": "5s"}, "timeout": "30m",
                        "waitingTimeout": "10m", "deadline": "3h"}  # fmt: skip


@dataclass
class Play:
    """One run, the other system, and a controller that may be begun anew at any time."""

    repeat: Repeat
    desk: Desk = field(default_factory=lambda: Desk(polls=None))
    server: memory.Server = field(default_factory=memory.Server)
    objects: Objects = field(default_factory=Objects)
    ahead: float = 0.0
    office: Office | None = None

    def begin(self) -> Key:
        return self.server.create("one", "2026-01-01T00:00:00Z", **SPEC)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.ahead)

    def hear(self) -> None:
        self.objects.put(SYSTEM)
        for one in self.server.runs.values():
            self.objects.put(one)
        for key in self.objects.keys(Kind.EXTERNAL_RUN):
            if key not in self.server.runs:
                self.objects.drop(key)

    async def look(self, key: Key, point: str = "") -> float | None:
        """One look; a controller that is not there is begun, one that breaks is gone."""
        hit = failpoints.once(point, failpoints.broken) if point else failpoints.nothing
        if self.office is None or point:
            self.objects = Objects()
            self.hear()
            self.office = Office(
                Given(
                    cluster=self.server, objects=self.objects,
                    shelf=memory.Drawers(self.server), policy=Policy(installation="here"),
                    tenure=Tenure(lambda: 60.0, 10.0), makers={"http": maker(self.desk, self.repeat)},
                    bounds=Bounds(cancel_seconds=60, claim_seconds=3600, status_seconds=0),
                    hit=hit, now=self.now, clock=lambda: self.ahead,
                )
            )  # fmt: skip
            await self.office.start()
        self.hear()
        try:
            return await self.office.loop.look(key)
        except failpoints.Broken:
            self.office = None
            return 0.0
        except ControllerError:
            return 1.0


ERRORS = st.sampled_from(
    [ExternalError("away"), Ambiguous("what?"), ValueError("a mistake"), "lost"]
)
POINTS = st.sampled_from(["", *failpoints.POINTS])
VERBS = ["prepare", "submit", "lookup", "check", "collect", "cancel"]
EVENTS = st.one_of(
    st.tuples(st.just("look"), st.just("")),
    st.tuples(st.just("look"), st.just("")),
    st.tuples(st.just("killed"), st.sampled_from(failpoints.POINTS)),
    st.tuples(st.just("fails"), st.sampled_from(["submit", "lookup", "check", "collect", "cancel", "prepare"])),
    st.tuples(st.just("becomes"), st.sampled_from(State)),
    st.tuples(st.just("says"), st.sampled_from(sorted(set(State) - ENDED))),
    st.tuples(st.just("passes"), st.sampled_from(["1", "15", "700", "2000"])),
    st.tuples(st.just("is"), st.sampled_from(["cancelled", "suspended", "resumed", "deleted"])),
)  # fmt: skip


def happens(play: Play, key: Key, event: str, what: Any, error: object) -> None:
    """Something happens that is not the controller's doing."""
    desk = play.desk
    if event == "fails":
        desk.say(what, error if what == "submit" or error != "lost" else ExternalError("away"))
    elif event == "says":
        desk.say("check", Observation(state=what))
    elif event == "becomes" and desk.jobs and desk.jobs[-1].state not in ENDED:
        desk.jobs[-1].state = what
    elif event == "passes":
        play.ahead += float(what)
    elif event == "is" and key in play.server.runs:
        if what == "deleted":
            del play.server.runs[key]
        elif what == "cancelled":
            play.server.edit(key, cancel=True)
        else:
            play.server.edit(key, suspend=what == "suspended")


async def played(repeat: Repeat, point: str, events: list[tuple[str, Any]], error: object) -> Play:
    """Ended at a point, then everything happens; then all is well, and it comes to rest."""
    play = Play(repeat)
    key = play.begin()
    await play.look(key, point)
    for event, what in events:
        if event in {"look", "killed"}:
            await play.look(key, what)
        else:
            happens(play, key, event, what, error)
    play.desk.says.clear()
    play.desk.polls = 1
    if key in play.server.runs:
        play.server.edit(key, suspend=False)
    for _ in range(100):
        wait = await play.look(key)
        if wait is None:
            break
        play.ahead += wait
    return play


@settings(max_examples=100)
@given(st.sampled_from(Repeat), POINTS, st.lists(EVENTS, max_size=14), ERRORS)
def test_whatever_happens_there_is_one_job_for_each_attempt_and_none_is_left(
    repeat: Repeat, point: str, events: list[tuple[str, Any]], error: object
) -> None:
    play = asyncio.run(played(repeat, point, events, error))

    keys = [one.key for one in play.desk.jobs]
    assert len(keys) == len(set(keys))
    [status] = [one.get("status", {}) for one in play.server.runs.values()] or [{}]
    if status.get("reason") == "SubmitUncertain" or repeat is Repeat.NEITHER:
        return  # a person decides; what cannot be known may be left
    assert play.server.maps == {}
    assert play.desk.busy == 0
    assert status.get("phase", "COMPLETED") in {"COMPLETED", "FAILED", "CANCELLED"}


@settings(max_examples=40)
@given(POINTS, st.lists(EVENTS, max_size=14), ERRORS)
def test_an_end_that_was_written_stays(
    point: str, events: list[tuple[str, Any]], error: object
) -> None:
    play = asyncio.run(played(Repeat.LOOKUP, point, events, error))

    ends: dict[str, str] = {}
    for uid, _, phase in play.server.phases:
        assert ends.get(uid, phase) == phase, play.server.phases
        if phase in {"COMPLETED", "FAILED", "CANCELLED"}:
            ends[uid] = phase


def test_the_same_events_come_to_the_same_end() -> None:
    events = [("look", ""), ("killed", failpoints.TOLD), ("passes", "15"), ("look", "")]

    one, other = (
        asyncio.run(played(Repeat.LOOKUP, failpoints.SUBMITTED, events, "lost")) for _ in range(2)
    )

    assert (one.desk.jobs, one.server.phases) == (other.desk.jobs, other.server.phases)
