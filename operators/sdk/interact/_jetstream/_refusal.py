"""What it means when JetStream does not store a message, and what a person can do about it."""

import json
from dataclasses import dataclass

from nats.aio.msg import Msg

STORE_FAILED, IN_FLIGHT = 10077, 10167
FULL_CODES = frozenset({10122, IN_FLIGHT})
NO_RESOURCES = frozenset({10002, 10023, 10028, 10047})
"""nats-server, errors.json: account, resources, memory or storage exceeded."""
NO_STREAM = 503
TOLD_EVERY = 20
"""Tries between two warnings about the same message."""
SILENCES = 2
"""Questions without an answer until a person is told."""
SILENT = (
    "nats-server is connected and does not answer: its disk may be full (then make room and restart "
    "it; nothing that was acknowledged is lost), or it is overloaded; the producer waits"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was not stored.

    Attributes:
        code: JetStream's error code.
        text: What it says.
        full: Whether the stream is full: the producer waits, or leaves the message out.
        busy: Whether the server has too much on its way: a moment later it takes it.
    """

    code: int
    text: str
    full: bool = False
    busy: bool = False

    @property
    def advice(self) -> str:
        """What is wrong and what to do; empty where waiting is all there is to do."""
        if self.full or self.busy:
            return ""
        if self.code == NO_STREAM:
            return "a stream is not there: it was removed, or NATS is starting; the producer waits"
        if self.code in NO_RESOURCES:
            return (
                f"nats-server has no room left ({self.text}): give it more store, or remove streams; "
                "the producer waits and goes on by itself"
            )
        return (
            f"nats-server cannot store messages ({self.text}): make room on its disk and restart it; "
            "the producer waits, and nothing that was acknowledged is lost"
        )


def refusal(answer: Msg) -> Refusal | None:
    """Why a message was not stored; None if it was."""
    if (answer.headers or {}).get("Status") == "503":
        return Refusal(NO_STREAM, "no stream has this subject")
    if answer.data.startswith(b'{"stream"'):
        return None
    error = json.loads(answer.data or b"{}").get("error")
    if not error:
        return None
    code, text = int(error.get("err_code", 0)), str(error.get("description"))
    full = code in FULL_CODES - {IN_FLIGHT} or (code == STORE_FAILED and "maximum" in text)
    return Refusal(code, text, full, code == IN_FLIGHT)
