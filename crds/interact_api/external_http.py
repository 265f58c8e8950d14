"""A REST service as an ExternalSystem declares it: which requests, and where answers say what."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from interact_api.external import Repeat, State
from interact_api.json_path import JsonPath
from interact_api.model import Int, JsonObject, Map, Model, Present, Rule
from interact_api.quantities import Duration

URL_PATTERN: Final = r"^https?://[A-Za-z0-9\[\]._:-]+(/[!-~]*)?$"
PATH_PATTERN: Final = r"^/[!-~]*$"
HEADER_PATTERN: Final = r"^[A-Za-z0-9-]{1,64}$"
Header = Annotated[str, Field(max_length=64, pattern=HEADER_PATTERN)]


class HttpMethod(StrEnum):
    """How a request is made."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class HttpAuth(StrEnum):
    """What of the system's Secret is sent: ``token``, or ``username`` and ``password``."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"


class HttpCall(Model):
    """One request. ``{id}``, ``{key}``, ``{namespace}``, ``{name}`` and ``{attempt}`` are filled in."""

    method: HttpMethod = Field(default=HttpMethod.GET, description="How it is made.")
    path: Annotated[str, Field(max_length=1024, pattern=PATH_PATTERN)] = Field(
        description="Below the system's url, for example /jobs/{id}."
    )
    query: Map = Field(default_factory=dict, description="Query of the request.")
    body: JsonObject = Field(
        default_factory=dict,
        description="JSON body; the text {parameters} stands for the run's parameters, "
        "{parameters.x} for one of them, {inputs} for what it reads, {inputs.x} for one path or object.",
    )


class HttpSystem(Model):
    """A REST service: requests to submit, check, find, stop and read work."""

    url: Annotated[str, Field(max_length=512, pattern=URL_PATTERN)] = Field(
        description="Where the service is; every request goes to this host."
    )
    ca_bundle: Annotated[str, Field(max_length=65536)] = Field(
        default="", description="Certificates to trust in place of the system's (PEM)."
    )
    auth: HttpAuth = Field(
        default=HttpAuth.NONE,
        description="bearer, basic or header: how the Secret of the system is sent.",
    )
    auth_header: Header = Field(
        default="Authorization", description="Header that carries the token where auth is header."
    )
    timeout: Duration = Field(default="10s", description="How long one request may take.")
    idempotency_header: Header | None = Field(
        default=None,
        description="Header in which the service honours a key: the same key is the same work.",
    )
    submit: HttpCall = Field(description="Begins work.")
    id: JsonPath = Field(default="id", description="Where the answer to submit says the work's id.")
    check: HttpCall = Field(description="Asks how work stands.")
    state: JsonPath = Field(default="status", description="Where the answer to check says a state.")
    message: JsonPath | None = Field(
        default=None, description="Where the answer to check says something for people."
    )
    states: Annotated[dict[str, State], Field(max_length=64), Present] = Field(
        description="The service's words for states, in any case, and what they mean."
    )
    lookup: HttpCall | None = Field(default=None, description="Finds work by {key}.")
    lookup_id: JsonPath = Field(
        default="id", description="Where the answer to lookup says the work's id."
    )
    cancel: HttpCall | None = Field(default=None, description="Stops work.")
    collect: HttpCall | None = Field(
        default=None, description="Reads the results; without, the answer to check has them."
    )
    results: JsonPath = Field(default="", description="Where that answer has the results.")

    max_answer_bytes: Annotated[Int, Field(ge=1, le=16 * 2**20)] = Field(
        default=2**20, description="Longest answer that is read."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.auth) || self.auth == 'none' || self.url.startsWith('https://') || "
            "self.url.matches('^http://(127[.][0-9.]+|localhost)(:|/|$)')",
            "credentials are sent over https only; write https:// in url",
            lambda s: s.auth is HttpAuth.NONE or s.url.startswith("https://") or _loopback(s.url),
        ),
    )

    @property
    def repeat(self) -> Repeat:
        """How a submit may be repeated, as it follows from what the service offers."""
        if self.idempotency_header is not None:
            return Repeat.IDEMPOTENT
        return Repeat.NEITHER if self.lookup is None else Repeat.LOOKUP


def _loopback(url: str) -> bool:
    host = url.removeprefix("http://").partition("/")[0].partition(":")[0]
    return host == "localhost" or (
        host.startswith("127.")
        and host.replace(".", "").isascii()
        and host.replace(".", "").isdigit()
    )


RESULT_WORD: Final = "value"
"""The key of results that are no object."""
