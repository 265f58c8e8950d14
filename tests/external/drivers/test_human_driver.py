"""Questions to people against a real API server: corrected, answered once, or expired."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cluster.kube import Kube, KubeError
from interact_api.external import Handle, Run, State
from interact_controller.external.driver import ExternalError, Refused
from interact_controller.external.drivers.human import HumanDriver
from interact_controller.external.drivers.objects import Requests

FORM = {
    "type": "object",
    "properties": {"tilt": {"type": "number", "minimum": -60, "maximum": 60}, "ok": {"type": "boolean"}},
    "required": ["tilt"],
    "additionalProperties": False,
}  # fmt: skip
CREATED = datetime(2026, 3, 4, 12, tzinfo=UTC)
NAME = "one-answers"
Make = Callable[..., Run]


class Clock:
    """The time, moved by hand."""

    def __init__(self) -> None:
        self.now = CREATED

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver(api: Requests, clock: Clock) -> HumanDriver:
    return HumanDriver(api, clock)


@pytest.fixture
def ask(there: Callable[..., Run]) -> Make:
    def make(attempt: int = 1, **said: Any) -> Run:
        spec = {"instructions": "Tilt *to* the zone axis.", "form": FORM, **said}
        return there("human", "human", spec, attempt=attempt, created=CREATED)

    return make


async def asked(driver: HumanDriver, run: Run) -> Handle:
    return await driver.submit(run, await driver.prepare(run))


def say(kube: Kube, number: int, data: object = None, **said: Any) -> None:
    told = {"status": "COMPLETED", "data": data or {}, **said}
    kube.patch("configmaps", NAME, {"data": {f"{number}.json": json.dumps(told)}})


async def test_a_person_finds_the_question_and_answers_it(
    driver: HumanDriver, kube: Kube, ask: Make
):
    run = ask()

    handle = await asked(driver, run)
    waiting = await driver.check(handle)

    assert (waiting.state, waiting.reason) == (State.WAITING, "WaitingForAnswer")
    found = kube.get("configmaps", NAME)
    assert found["data"]["instructions.md"] == "Tilt *to* the zone axis."
    assert json.loads(found["data"]["form.json"]) == FORM
    assert found["metadata"]["ownerReferences"][0]["uid"] == run.uid
    assert await asked(driver, run) == handle == await driver.lookup(run)
    say(kube, 1, {"tilt": 12.5, "ok": True})
    assert (await driver.check(handle)).state is State.SUCCEEDED
    assert (await driver.collect(handle)).results == {"tilt": 12.5, "ok": True}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param({"data": {"tilt": 75}}, "data.tilt: 75: it is at most 60", id="out of bounds"),
        pytest.param({"data": {}}, "data.tilt: required field", id="a field is missing"),
        pytest.param({"data": {"tilt": 1, "x": 2}}, "data.x: unknown field", id="a field too many"),
        pytest.param({"status": "DONE"}, "status: ", id="a status nobody knows"),
    ],
)
async def test_an_invalid_answer_is_told_and_corrected(
    driver: HumanDriver, kube: Kube, ask: Make, said: dict[str, Any], told: str
):
    handle = await asked(driver, ask())
    say(kube, 1, **said)

    first = await driver.check(handle)
    say(kube, 1, {"tilt": 3})
    second = await driver.check(handle)

    assert (first.state, first.reason) == (State.WAITING, "InvalidResponse")
    assert told in first.message
    assert second.state is State.SUCCEEDED


@pytest.mark.parametrize("text", ["", "{", "[" * 9000, "null", '"' + "x" * 300_000 + '"', "\u2028"])
async def test_rubbish_is_to_be_corrected_and_ends_nothing(
    driver: HumanDriver, kube: Kube, ask: Make, text: str
):
    handle = await asked(driver, ask())
    kube.patch("configmaps", NAME, {"data": {"1.json": text, "notes.txt": "mine", "x.json": "{}"}})

    found = await driver.check(handle)

    assert (found.state, found.reason) == (State.WAITING, "InvalidResponse")
    assert found.message.startswith("'1.json': ")
    assert len(found.message) <= 1000


async def test_the_first_valid_answer_wins_whatever_comes_later(
    driver: HumanDriver, kube: Kube, ask: Make
):
    handle = await asked(driver, ask())
    say(kube, 10, {"tilt": 10})
    say(kube, 2, {"tilt": 2})
    say(kube, 1, {"tilt": 1000})

    assert (await driver.check(handle)).state is State.SUCCEEDED

    with pytest.raises(KubeError) as refused:
        say(kube, 1, {"tilt": 1})
    assert refused.value.status == 422
    assert (await driver.collect(handle)).results == {"tilt": 2}


async def test_a_person_may_say_that_it_failed(driver: HumanDriver, kube: Kube, ask: Make):
    handle = await asked(driver, ask())
    say(kube, 1, status="FAILED", error="the\nholder is stuck")

    found = await driver.check(handle)

    assert (found.state, found.reason) == (State.FAILED, "AnsweredFailed")
    assert found.message == "the holder is stuck"


async def test_another_attempt_asks_anew(driver: HumanDriver, kube: Kube, ask: Make):
    say_failed = {"status": "FAILED", "error": "no"}
    first = await asked(driver, ask())
    say(kube, 1, **say_failed)
    assert (await driver.check(first)).state is State.FAILED

    assert await driver.lookup(ask(attempt=2)) is None
    second = await asked(driver, ask(attempt=2))

    assert (await driver.check(second)).state is State.WAITING
    say(kube, 1, {"tilt": 5})
    assert await asked(driver, ask(attempt=2)) == second
    assert (await driver.check(second)).state is State.SUCCEEDED


async def test_a_question_expires_unless_it_was_answered(
    driver: HumanDriver, kube: Kube, ask: Make, clock: Clock
):
    handle = await asked(driver, ask(expiresAfter="1h"))
    say(kube, 1, {"tilt": 1000})
    clock.now = CREATED + timedelta(minutes=59)
    assert (await driver.check(handle)).state is State.WAITING

    clock.now = CREATED + timedelta(hours=1)
    found = await driver.check(handle)
    say(kube, 2, {"tilt": 1})
    answered = await driver.check(handle)

    assert (found.state, found.reason) == (State.FAILED, "Expired")
    assert "at most 60" in found.message
    assert answered.state is State.SUCCEEDED  # had nobody looked at the hour, it still counts


async def test_a_cancelled_question_takes_no_answers(driver: HumanDriver, kube: Kube, ask: Make):
    run = ask()
    assert await driver.cancel(await driver.prepare(run))
    handle = await asked(driver, run)

    assert await driver.cancel(handle)

    with pytest.raises(KubeError):
        say(kube, 1, {"tilt": 1})
    kube.delete("configmaps", NAME)
    assert await driver.cancel(handle)
    assert (await driver.check(handle)).state is State.WAITING
    with pytest.raises(Refused, match="no valid answer any more"):
        await driver.collect(handle)


async def test_an_answer_given_before_the_question_was_put_counts(
    driver: HumanDriver, kube: Kube, ask: Make
):
    run = ask()
    text = json.dumps({"status": "COMPLETED", "data": {"tilt": 4}})
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME},
                 "data": {"1.json": text}})  # fmt: skip

    handle = await asked(driver, run)

    assert (await driver.check(handle)).state is State.SUCCEEDED
    assert kube.get("configmaps", NAME)["metadata"]["ownerReferences"][0]["uid"] == run.uid


async def test_another_object_s_answers_are_not_taken(driver: HumanDriver, kube: Kube, ask: Make):
    run = ask()
    owner = kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}})
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "other",
        "uid": owner["metadata"]["uid"],
    }
    kube.create({"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": NAME, "ownerReferences": [reference]}})  # fmt: skip

    with pytest.raises(ExternalError, match="belongs to another object"):
        await asked(driver, run)


async def test_a_form_that_cannot_be_asked_is_told_before(driver: HumanDriver, ask: Make):
    run = ask()

    def with_form(form: object) -> Run:
        return run.model_copy(update={"spec": {"instructions": "x", "form": form}})

    [pattern] = await driver.validate(
        with_form({"properties": {"a": {"type": "string", "pattern": "(a+)+$"}}})
    )
    [large] = await driver.validate(with_form({"properties": {"a": {"description": "x" * 20_000}}}))

    assert "pattern" in pattern.path
    assert "at most 12,288" in large.message
    assert await driver.validate(run) == []
