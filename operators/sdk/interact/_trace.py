"""W3C trace context of messages: carried from hop to hop, so that tracing tools can join what they see.

A trace id is the identity of the source's message, a span id the beginning of that of the message it
travels in: what is sent again after a crash has the same ones. Nothing is exported from here, and no
package is needed; a kernel or a tool that knows OpenTelemetry reads ``Header.traceparent``.
"""

import re
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "INTERACT_TRACE"
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
"""Version 00 of https://www.w3.org/TR/trace-context."""


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether sources begin traces here."""
    return environment.get(VARIABLE) == "1"


def begun(identity: bytes) -> str:
    """The context of a source's message, sampled.

    >>> begun(bytes(range(16)))
    '00-000102030405060708090a0b0c0d0e0f-0001020304050607-01'
    """
    return f"00-{identity.hex()}-{identity[:8].hex()}-01"


def child(traceparent: str, identity: bytes) -> str:
    """The context of a message made of another one; empty where that one has none of use.

    >>> child(begun(bytes(range(16))), bytes([7] * 16))
    '00-000102030405060708090a0b0c0d0e0f-0707070707070707-01'
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    return f"00-{found[1]}-{identity[:8].hex()}-{found[2]}" if found else ""
