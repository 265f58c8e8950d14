# ruff: noqa: N818  # named for what happened
"""The drivers' one door to HTTP: a request within bounds, and whether it may have arrived."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import aiohttp
import yarl
from interact_api import bounded_json
from pydantic import JsonValue

from interact_controller.external.driver import ExternalError

CONNECT_SECONDS: Final = 5.0
_EXCERPT: Final = 300


class Unsent(ExternalError):
    """The request did not reach the service."""


class Unanswered(ExternalError):
    """The request may have reached the service; no answer came that can be used."""


@dataclass(frozen=True)
class Request:
    """One request, written out. ``url`` is encoded already; its path has no ``..`` to resolve."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, the whole body, where a redirect points."""

    status: int
    body: bytes
    location: str = ""

    @property
    def good(self) -> bool:
        """Whether the service did what was asked."""
        return 200 <= self.status < 300

    def json(self) -> JsonValue:
        """The body read.

        Raises:
            Unanswered: If it is no JSON, or too deep.
        """
        try:
            return bounded_json.parse(self.body, max_bytes=len(self.body) + 1)
        except (bounded_json.NotJson, bounded_json.OutOfBounds) as error:
            raise Unanswered(f"HTTP status {self.status}, but {error}") from error

    def excerpt(self) -> str:
        """The beginning of the body on one line, for messages."""
        return excerpt(self.body.decode(errors="replace"))


def excerpt(text: str) -> str:
    """The beginning of somebody's words on one line, without what cannot be printed."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:4096]).split())
    return line[:_EXCERPT] + ("…" if len(line) > _EXCERPT else "")


@lru_cache(maxsize=64)  # reading the system's certificates takes longer than a request
def trust(ca_bundle: str) -> ssl.SSLContext:
    """How certificates are checked: by the given ones, or the system's.

    Raises:
        ExternalError: If the bundle holds no certificate.
    """
    try:
        return ssl.create_default_context(cadata=ca_bundle or None)
    except (ssl.SSLError, ValueError) as error:
        raise ExternalError(
            f"caBundle of the system is no certificate in PEM: {error}; correct it"
        ) from error


async def fetch(request: Request, *, seconds: float, max_bytes: int, tls: ssl.SSLContext) -> Answer:
    """The answer to a request. Redirects are not followed, bodies are not unpacked.

    Args:
        request: What is asked.
        seconds: How long all of it may take.
        max_bytes: Longest body that is read.
        tls: How certificates are checked.

    Raises:
        Unsent: If it did not reach the service.
        Unanswered: If it may have.
    """
    limits = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds / 2))
    # Not force_close: slurmrestd 22.05 garbles its answer where a request says "Connection: close".
    connector = aiohttp.TCPConnector(ssl=tls)
    where = yarl.URL(request.url, encoded=True).origin()
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=limits, auto_decompress=False, trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.request(
                request.method, yarl.URL(request.url, encoded=True), data=request.body,
                headers={"Accept-Encoding": "identity", **request.headers}, allow_redirects=False,
            ) as response,
        ):  # fmt: skip
            body = await _read(response, max_bytes)
            return Answer(response.status, body, response.headers.get("Location", ""))
    except (
        aiohttp.ClientConnectorError,
        aiohttp.ConnectionTimeoutError,
        aiohttp.InvalidURL,
    ) as error:
        raise Unsent(f"{where} cannot be reached: {excerpt(str(error))}") from error
    except TimeoutError as error:
        raise Unanswered(f"{where} gave no answer within {seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        words = excerpt(str(error)) or type(error).__name__
        raise Unanswered(f"{where} gave no whole answer: {words}") from error


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_chunked(1 << 16):
        found += piece
        if len(found) > max_bytes:
            raise Unanswered(
                f"HTTP status {response.status} with more than {max_bytes:,} bytes, the most that "
                "are read; ask for less, or raise the bound"
            )
    return bytes(found)
