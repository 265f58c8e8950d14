"""Work on a REST service that an ExternalSystem describes: submit, check, find, stop, read."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final

import pydantic
from interact_api import json_path
from interact_api.conditions import Reason
from interact_api.external import (
    Handle,
    Input,
    Observation,
    OperatorResult,
    Repeat,
    Run,
    State,
)
from interact_api.external_http import RESULT_WORD, HttpAuth, HttpCall, HttpSystem
from interact_api.plain import is_mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds
from pydantic import JsonValue

from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers import fetching, filling
from interact_controller.external.drivers.fetching import Answer, Request, Unanswered, Unsent

GONE: Final = frozenset({404, 410})
ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST})
_NEVER: Final = frozenset({400, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431})
"""What a submit is answered that the same submit will always be answered (RFC 9110)."""
_NOT_NOW: Final = frozenset({401, 403, 407, 425, 429})
"""Answers that say that nothing was done: our credentials are wrong, or we ask too often."""
_REQUESTS: Final = 2
"""Most requests of one call: a cancel asks how the work stands afterwards."""


class HttpDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        system: What the administrator says of the service.
        credentials: The system's Secret: ``token``, or ``username`` and ``password``.
    """

    def __init__(self, system: HttpSystem, credentials: Mapping[str, str]) -> None:
        self._system = system
        self._credentials = credentials
        self._seconds = seconds(system.timeout)
        self._words = {word.casefold(): state for word, state in system.states.items()}

    @property
    def repeat(self) -> Repeat:
        """As it follows from what the service offers."""
        return self._system.repeat

    @property
    def call_seconds(self) -> float:
        """Longest time any call takes."""
        return _REQUESTS * self._seconds + 1.0

    async def validate(self, run: Run) -> list[Problem]:
        """The parameters and inputs the requests need and do not get."""
        return list(filling.missing(self._system.submit, run.parameters, run.inputs))

    async def prepare(self, run: Run) -> Handle:
        """What the requests after the submit need."""
        return Handle(data=_words(run))

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Begin the work under the run's key."""
        named = self._system.idempotency_header
        headers = {} if named is None else {named: run.key}
        try:
            answer = await self._ask(
                self._system.submit, _words(run), run.parameters, headers, run.inputs
            )
        except Unsent:
            raise
        except Unanswered as error:
            raise Ambiguous(str(error)) from error
        if not answer.good:
            raise self._not_submitted(answer)
        try:
            found = json_path.found(answer.json(), self._system.id)
        except Unanswered as error:
            raise Ambiguous(f"the submit was answered with {error}") from error
        return handle.submitted(_external_id(found, self._system.id))

    async def lookup(self, run: Run) -> Handle | None:
        """The work with the run's key; None without one, or if the service cannot find work."""
        if self._system.lookup is None:
            return None
        answer = await self._ask(
            self._system.lookup, _words(run), run.parameters, inputs=run.inputs
        )
        if answer.status in GONE:
            return None
        found = json_path.found(self._good(answer).json(), self._system.lookup_id)
        if found is None:
            return None
        return Handle(data=_words(run)).submitted(_external_id(found, self._system.lookup_id))

    async def check(self, handle: Handle) -> Observation:
        """How the work stands."""
        answer = await self._about(self._system.check, handle)
        if answer.status in GONE:
            message = (
                f"the service does not know {handle.external_id!r} (HTTP status {answer.status})"
            )
            return Observation(state=State.LOST, reason="NotFound", message=message)
        document = self._good(answer).json()
        word = json_path.found(document, self._system.state)
        if not isinstance(word, str | int):
            raise ExternalError(f"the answer to check has no state at {self._system.state!r}")
        told = self._told(document)
        state = self._words.get(str(word).casefold())
        if state is None:
            shown = fetching.excerpt(str(word))
            message = f"the service says {shown!r}, which states of the system does not explain"
            return Observation(state=State.UNKNOWN, reason="UnknownState", message=message)
        return Observation(state=state, message=told, detail={"state": fetching.excerpt(str(word))})

    async def collect(self, handle: Handle) -> OperatorResult:
        """The results of work that succeeded."""
        answer = await self._about(self._system.collect or self._system.check, handle)
        found = json_path.found(self._good(answer).json(), self._system.results)
        if found is None:
            raise ExternalError(f"the answer has no results at {self._system.results!r} yet")
        try:
            return OperatorResult(results=found if is_mapping(found) else {RESULT_WORD: found})
        except pydantic.ValidationError as error:
            message = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise Refused(Problem("results", Reason.TOO_LARGE, message)) from error

    async def cancel(self, handle: Handle) -> bool:
        """Stop the work, and ask whether it has ended."""
        if not handle.external_id:
            return True
        if self._system.cancel is not None:
            answer = await self._about(self._system.cancel, handle)
            if answer.status in GONE:
                return True
            if answer.status != 409:  # it has ended, most likely: the check tells
                self._good(answer)
        ended = (await self.check(handle)).state in ENDED
        if not ended and self._system.cancel is None:
            raise ExternalError(
                f"the system says no request to cancel; stop {handle.external_id!r} there"
            )
        return ended

    async def _about(self, call: HttpCall, handle: Handle) -> Answer:
        words = {name: str(word) for name, word in handle.data.items()} | {"id": handle.external_id}
        return await self._ask(call, words, {})

    async def _ask(
        self,
        call: HttpCall,
        words: Mapping[str, str],
        parameters: dict[str, JsonValue],
        headers: Mapping[str, str] | None = None,
        inputs: Sequence[Input] = (),
    ) -> Answer:
        body = filling.filled(call.body, words, parameters, inputs) if call.body else None
        request = Request(
            method=str(call.method),
            url=self._system.url.rstrip("/") + filling.target(call, words, parameters, inputs),
            headers={"Accept": "application/json", **self._authorization(), **(headers or {}),
                     **({} if body is None else {"Content-Type": "application/json"})},
            body=None if body is None else json.dumps(body).encode(),
        )  # fmt: skip
        return await fetching.fetch(
            request, seconds=self._seconds, max_bytes=self._system.max_answer_bytes,
            tls=fetching.trust(self._system.ca_bundle),
        )  # fmt: skip

    def _authorization(self) -> dict[str, str]:
        if self._system.auth is HttpAuth.NONE:
            return {}
        if self._system.auth is HttpAuth.BASIC:
            pair = f"{self._secret('username')}:{self._secret('password')}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        token = self._secret("token")
        if self._system.auth is HttpAuth.BEARER:
            return {"Authorization": f"Bearer {token}"}
        return {self._system.auth_header: token}

    def _secret(self, key: str) -> str:
        found = self._credentials.get(key, "").strip()
        if not found.isprintable() or not found:
            raise ExternalError(
                f"the Secret of the system has no key {key!r} of one line; add it, or change auth"
            )
        return found

    def _good(self, answer: Answer) -> Answer:
        if not answer.good:
            raise ExternalError(self._why(answer))
        return answer

    def _not_submitted(self, answer: Answer) -> Exception:
        """What an answer other than success makes of a submit."""
        words = self._why(answer)
        if answer.status in _NEVER:
            return Refused(Problem("", Reason.INVALID_PARAMETER, words))
        if answer.status in _NOT_NOW or 300 <= answer.status < 400:
            return ExternalError(words)
        return Ambiguous(words)

    def _why(self, answer: Answer) -> str:
        if 300 <= answer.status < 400:
            return (
                f"the service answers with HTTP status {answer.status} and points to "
                f"{fetching.excerpt(answer.location)!r}; redirects are not followed, correct url"
            )
        return self._redacted(f"HTTP status {answer.status}: {answer.excerpt()}")

    def _told(self, document: JsonValue) -> str:
        path = self._system.message
        found = None if path is None else json_path.found(document, path)
        if found is None:
            return ""
        text = found if isinstance(found, str) else json.dumps(found)
        return self._redacted(fetching.excerpt(text))

    def _redacted(self, text: str) -> str:
        """A service may repeat what it was sent; credentials never go on from here."""
        sent = self._authorization().values() if self._credentials else ()
        for secret in (*self._credentials.values(), *(word.rpartition(" ")[2] for word in sent)):
            if secret.strip():
                text = text.replace(secret.strip(), "***")
        return text


def _words(run: Run) -> dict[str, str]:
    return {
        "key": run.key, "namespace": run.namespace, "name": run.name, "attempt": str(run.attempt),
    }  # fmt: skip


def _external_id(found: JsonValue, path: str) -> str:
    """The work's name there.

    Raises:
        Ambiguous: If the answer has none: what was begun cannot be told.
    """
    word = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not 0 < len(word) <= 512 or not word.isprintable() or word in {".", ".."}:
        raise Ambiguous(f"the service's answer has no usable id at {path!r}")
    return word
