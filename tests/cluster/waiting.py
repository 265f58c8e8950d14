"""Waiting for what a test has to see."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

PAUSE_SECONDS = 0.1
WITHIN_SECONDS = 30.0

Seen = TypeVar("Seen")


def pause(seconds: float = PAUSE_SECONDS) -> None:
    """Let another thread or process have its turn."""
    threading.Event().wait(seconds)


def eventually(look: Callable[[], Seen], what: object = "", within: float = WITHIN_SECONDS) -> Seen:
    """Look until there is something true; gives what was seen.

    Args:
        look: Gives what is there now. An `AssertionError` counts as nothing.
        what: What is waited for, in words; called, if it is a function, once the wait was vain.
        within: Seconds until that is a failure: generous, it only bounds a hang.

    Raises:
        AssertionError: If it never came.
    """
    end = time.monotonic() + within
    seen: Seen | AssertionError | None = None
    while True:
        try:
            seen = look()
        except AssertionError as error:
            seen = error
        if seen and not isinstance(seen, AssertionError):
            return seen
        if time.monotonic() > end:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {within:g} s: {told or look!r}; last seen: {seen!r}")
        pause()
