"""Work that a person does: a question in a ConfigMap, and the first valid answer that comes there.

Answers are keys ``1.json``, ``2.json`` … of the ConfigMap ``<run>-answers`` in the run's namespace:
``{"status": "COMPLETED", "data": {…}}``, or ``FAILED`` with an ``error``. What is wrong with one is
told, and another may follow, or it may be corrected. The first that is valid, in the order of the
numbers, is the answer: with it the ConfigMap becomes immutable.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pydantic
from interact_api import forms, manifests
from interact_api.conditions import Reason
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run, State
from interact_api.external_sections import HumanRun
from interact_api.manifests import FileStatus, HumanResponse, Invalid, Valid
from interact_api.model import GROUP
from interact_api.plain import entries, mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds

from interact_controller.external.driver import ExternalError, Refused
from interact_controller.external.drivers import pods, sections
from interact_controller.external.drivers.fetching import excerpt
from interact_controller.external.drivers.maps_api import Maps
from interact_controller.external.drivers.objects import Requests

CALL_SECONDS: Final = 31.0
"""Three requests of ten seconds."""
ATTEMPT: Final = f"{GROUP}/attempt"
FORM: Final = "form.json"
INSTRUCTIONS: Final = "instructions.md"
MAX_ANSWERS: Final = 100
MAX_FORM_BYTES: Final = 12 * 2**10
"""It travels in the handle."""
_ANSWER: Final = re.compile(r"([0-9]{1,9})\.json")
_SETTLED: Final = 1e9
"""A ConfigMap is never half written."""


class HumanDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        api: The door to Kubernetes.
        now: The time, with its zone.
    """

    repeat = Repeat.IDEMPOTENT
    call_seconds = CALL_SECONDS

    def __init__(
        self, api: Requests, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._maps = Maps(api)
        self._now = now

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with the question."""
        found = sections.problems(HumanRun, run)
        if found:
            return found
        form = HumanRun.model_validate(run.spec).form
        size = len(json.dumps(form).encode())
        if size > MAX_FORM_BYTES:
            message = (
                f"the form has {size:,} bytes, at most {MAX_FORM_BYTES:,}; ask for less at once"
            )
            return [Problem("spec.form", Reason.TOO_LARGE, message)]
        return forms.form_problems(form)

    async def prepare(self, run: Run) -> Handle:
        """Where answers are expected, of which form, and until when."""
        return _handle(run)

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Put the question where the person finds it."""
        name = answers_name(run.name)
        found = await self._maps.find(run.namespace, name)
        if found is not None and _attempt(found) < run.attempt:
            await self._maps.remove(found)  # answers to an attempt that has ended
            found = None
        if found is None:
            await self._maps.make(manifest(run))
            found = await self._maps.find(run.namespace, name)
        if found is None:
            raise ExternalError(f"ConfigMap {run.namespace}/{name} comes and goes")
        owners = {
            mapping(one).get("uid") for one in entries(found["metadata"].get("ownerReferences"))
        }
        if owners and run.uid not in owners:
            raise ExternalError(
                f"ConfigMap {run.namespace}/{name} belongs to another object; delete it"
            )
        if not owners or _annotations(found).get(ATTEMPT) != str(run.attempt):
            await self._adopt(run, found)
        return handle.submitted(f"{run.namespace}/{name}")

    async def lookup(self, run: Run) -> Handle | None:
        """The question, if it was put for this attempt."""
        found = await self._maps.find(run.namespace, answers_name(run.name))
        if found is None or _annotations(found).get(ATTEMPT) != str(run.attempt):
            return None
        owners = {
            mapping(one).get("uid") for one in entries(found["metadata"].get("ownerReferences"))
        }
        if run.uid not in owners:
            return None
        return _handle(run).submitted(f"{run.namespace}/{answers_name(run.name)}")

    async def check(self, handle: Handle) -> Observation:
        """Whether there is an answer, and what is wrong with those that are none."""
        found = await self._find(handle)
        wrong = ""
        for _, judged in _judged(found, handle):
            if isinstance(judged, HumanResponse):
                await self._close(found)
                return _ended(judged)
            wrong = judged
        expires = str(handle.data.get("expires") or "")
        if expires and self._now() >= datetime.fromisoformat(expires):
            words = f"nobody gave a valid answer until {expires}" + (
                f"; the last: {wrong}" if wrong else ""
            )
            return Observation(state=State.FAILED, reason="Expired", message=words[:1000])
        if wrong:
            return Observation(state=State.WAITING, reason="InvalidResponse", message=wrong[:1000])
        message = (
            f"waits for an answer in ConfigMap {handle.external_id}; interact runs answer gives one"
        )
        return Observation(state=State.WAITING, reason="WaitingForAnswer", message=message)

    async def collect(self, handle: Handle) -> OperatorResult:
        """The first valid answer."""
        for _, judged in _judged(await self._find(handle), handle):
            if isinstance(judged, HumanResponse):
                try:
                    return OperatorResult(results=judged.data)
                except pydantic.ValidationError as error:
                    message = error.errors(include_url=False, include_input=False)[0]["msg"]
                    raise Refused(Problem("results", Reason.TOO_LARGE, message)) from error
        message = (
            f"ConfigMap {handle.external_id} has no valid answer any more; somebody removed it"
        )
        raise Refused(Problem("results", Reason.UNKNOWN, message))

    async def cancel(self, handle: Handle) -> bool:
        """Take no more answers."""
        if handle.external_id:
            await self._close(await self._find(handle))
        return True

    async def _find(self, handle: Handle) -> dict[str, Any] | None:
        return await self._maps.find(str(handle.data["namespace"]), str(handle.data["name"]))

    async def _adopt(self, run: Run, found: Mapping[str, Any]) -> None:
        """Take a ConfigMap that a person made before we did."""
        made = manifest(run)
        about = {key: made["metadata"][key] for key in ("ownerReferences", "annotations")}
        await self._maps.change(found, {"metadata": about, "data": made["data"]})

    async def _close(self, found: dict[str, Any] | None) -> None:
        if found is not None and not found.get("immutable"):
            await self._maps.change(found, {"immutable": True})


def answers_name(run: str) -> str:
    """The ConfigMap that takes the answers to a run."""
    return f"{run}-answers"


def manifest(run: Run) -> dict[str, Any]:
    """The ConfigMap with the question, before any answer."""
    said = sections.section(HumanRun, run)
    about = pods.metadata(run)
    about["annotations"][ATTEMPT] = str(run.attempt)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**about, "name": answers_name(run.name), "namespace": run.namespace,
                     "ownerReferences": [pods.owner(run)]},
        "data": {INSTRUCTIONS: said.instructions, FORM: json.dumps(said.form or {}, indent=2)},
    }  # fmt: skip


def _handle(run: Run) -> Handle:
    said = sections.section(HumanRun, run)
    expires = ""
    if said.expires_after is not None and run.created is not None:
        expires = (run.created + timedelta(seconds=seconds(said.expires_after))).isoformat()
    return Handle(
        data={"namespace": run.namespace, "name": answers_name(run.name), "form": said.form, "expires": expires}
    )  # fmt: skip


def _judged(
    found: Mapping[str, Any] | None, handle: Handle
) -> Iterator[tuple[str, HumanResponse | str]]:
    """Each answer in the order of its number: itself if it is valid, else what is wrong with it."""
    data = {} if found is None else mapping(found.get("data"))
    numbered = ((_ANSWER.fullmatch(name), name) for name in data)
    order = sorted((int(match[1]), name) for match, name in numbered if match)
    for _, name in order[:MAX_ANSWERS]:
        judged = manifests.judge(HumanResponse, name, str(data[name]).encode(), _SETTLED)
        match judged:
            case Valid(manifest=response) if response.status is FileStatus.WAITING:
                continue
            case Valid(manifest=response):
                yield name, _checked(name, response, handle) or response
            case Invalid(message=message):
                yield name, message
            case _:
                continue


def _checked(name: str, response: HumanResponse, handle: Handle) -> str:
    """What the form says against an answer; empty if it takes it."""
    if response.status is FileStatus.FAILED:
        return ""
    problems = forms.answer_problems(handle.data.get("form"), response.data, "data")
    told = "; ".join(f"{one.path}: {one.message}" for one in problems[:5])
    return f"{name!r}: {told}; correct it, or give another" if told else ""


def _ended(response: HumanResponse) -> Observation:
    if response.status is FileStatus.COMPLETED:
        return Observation(state=State.SUCCEEDED, reason="Answered")
    words = excerpt(response.error) or "a person says that it failed"
    return Observation(state=State.FAILED, reason="AnsweredFailed", message=words)


def _annotations(found: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(mapping(found["metadata"]).get("annotations"))


def _attempt(found: Mapping[str, Any]) -> int:
    word = str(_annotations(found).get(ATTEMPT) or "1")
    return int(word) if word.isdigit() else 1
