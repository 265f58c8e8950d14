"""slurmrestd: its version found, a JWT with each request, its answers of all versions read alike."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from interact_api.external_slurm import SlurmRest
from interact_api.plain import entries, is_mapping, mapping
from interact_api.quantities import seconds
from pydantic import JsonValue

from interact_controller.external.driver import ExternalError
from interact_controller.external.drivers import fetching
from interact_controller.external.drivers.fetching import Answer, Request
from interact_controller.external.drivers.slurm_states import Job, words

OLDEST: Final = 36
NEWEST: Final = 44
"""Of the versions v0.0.N that we know how to speak."""
MAX_ANSWER_BYTES: Final = 32 * 2**20
"""The list of all jobs of a cluster."""
TOKEN_SECONDS: Final = 300
NO_SUCH_JOB: Final = 2017
"""ESLURM_INVALID_JOB_ID; slurmrestd says it with HTTP status 500."""
ALREADY_DONE: Final = 2021
_ESLURM: Final = 2000
"""Where the error numbers of Slurm's own refusals begin."""


class SlurmApi:
    """Requests to slurmrestd.

    Args:
        rest: Where it is.
        credentials: ``token``, or ``jwt-key`` to make tokens with.
        now: Seconds since the epoch.
    """

    def __init__(
        self, rest: SlurmRest, credentials: Mapping[str, str], now: Callable[[], float]
    ) -> None:
        self._rest = rest
        self._credentials = credentials
        self._now = now
        self._found = int(rest.version.rpartition(".")[2] or 0)

    async def version(self) -> int:
        """The N of the version v0.0.N that is spoken.

        Raises:
            ExternalError: If slurmrestd has none that we know.
        """
        if not self._found:
            answer = await self._send("GET", "/openapi/v3", None)
            paths = mapping(mapping(_read(answer)).get("paths"))
            there = {int(n) for n in re.findall(r"/slurm/v0\.0\.(\d{1,4})/", " ".join(paths))}
            known = [one for one in there if OLDEST <= one <= NEWEST]
            if not known:
                told = ", ".join(f"v0.0.{one}" for one in sorted(there)) or "none"
                raise ExternalError(
                    f"slurmrestd speaks {told}; we speak v0.0.{OLDEST} to v0.0.{NEWEST}, "
                    "start it with one of them"
                )
            self._found = max(known)
        return self._found

    async def ask(self, method: str, path: str, body: JsonValue = None) -> Answer:
        """One request below ``/slurm/<version>``, or below another family's path."""
        family, _, rest = path.partition(":")
        return await self._send(method, f"/{family}/v0.0.{await self.version()}/{rest}", body)

    async def jobs(self) -> list[dict[str, Any]]:
        """All jobs that Slurm remembers."""
        told = _read(good(await self.ask("GET", "slurm:jobs")))
        return [mapping(one) for one in entries(mapping(told).get("jobs"))]

    async def _send(self, method: str, path: str, body: JsonValue) -> Answer:
        request = Request(
            method,
            self._rest.url.rstrip("/") + path,
            {"X-SLURM-USER-NAME": self._rest.user, "X-SLURM-USER-TOKEN": self._token(),
             "Accept": "application/json", "Content-Type": "application/json"},
            None if body is None else json.dumps(body).encode(),
        )  # fmt: skip
        return await fetching.fetch(
            request, seconds=seconds(self._rest.timeout), max_bytes=MAX_ANSWER_BYTES,
            tls=fetching.trust(self._rest.ca_bundle),
        )  # fmt: skip

    def _token(self) -> str:
        given = self._credentials.get("token", "").strip()
        if given:
            return given
        key = self._credentials.get("jwt-key", "").strip()
        if not key:
            raise ExternalError(
                "the Secret of the system has neither the key 'token' nor 'jwt-key'; add one"
            )
        now = int(self._now())
        return signed({"iat": now, "exp": now + TOKEN_SECONDS, "sun": self._rest.user}, key)


def signed(claims: Mapping[str, JsonValue], key: str) -> str:
    """A JSON Web Token, signed by HMAC with SHA-256 (RFC 7519)."""
    parts = (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(dict(claims)))
    head = ".".join(_unpadded(part.encode()) for part in parts)
    return f"{head}.{_unpadded(hmac.digest(key.encode(), head.encode(), hashlib.sha256))}"


def good(answer: Answer) -> Answer:
    """An answer that is no refusal.

    Raises:
        ExternalError: If it is one.
    """
    if not answer.good:
        raise ExternalError(f"slurmrestd says: {told(answer)[1]}")
    return answer


def told(answer: Answer) -> tuple[int, str]:
    """The number of Slurm's refusal, 0 if it is none of Slurm's own, and its words."""
    try:
        found = entries(mapping(answer.json()).get("errors"))
    except ExternalError:
        found = []
    for one in map(mapping, found):
        number = one.get("error_number") or one.get("error_code") or 0
        said = ": ".join(str(one[key]) for key in ("error", "description") if one.get(key))
        if isinstance(number, int) and (number >= _ESLURM or said):
            return number, fetching.excerpt(f"HTTP status {answer.status}, {number}: {said}")
    return 0, f"HTTP status {answer.status}: {answer.excerpt()}"


def job(said: Mapping[str, Any]) -> Job:
    """A job as slurmrestd describes it, in the words of any of its versions."""
    state = said.get("job_state", mapping(said.get("state")).get("current", ""))
    code, signal = _exit(said.get("exit_code"))
    reason = said.get("state_reason") or mapping(said.get("state")).get("reason") or ""
    return Job(
        words=words(state if isinstance(state, str | list) else ""),
        reason=str(reason), exit_code=code, signal=signal,
        restarts=_number(said.get("restart_cnt")) or 0,
    )  # fmt: skip


def _exit(value: object) -> tuple[int | None, int]:
    """The exit code and signal: a wait status of old, an object now."""
    if is_mapping(value):
        return _number(value.get("return_code")), _number(
            mapping(value.get("signal")).get("id")
        ) or 0
    if isinstance(value, int):
        return value >> 8 & 0xFF, value & 0x7F
    return None, 0


def _number(value: object) -> int | None:
    """A number, or the object newer versions make of one."""
    if is_mapping(value):
        return _number(value.get("number")) if value.get("set", True) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read(answer: Answer) -> JsonValue:
    return good(answer).json()


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
