"""Ends a process whose kernel hangs or holds the interpreter, and leaves the reason to the next one."""

import faulthandler
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from interact_api.config import KERNEL_TOLERANCE

TERMINATION_LOG = "/dev/termination-log"
MOST_WORDS = 4000
"""Characters of a former life's last words that are read."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a process that did not end by itself has left.

    Attributes:
        key: Of the record of the try that was under way; empty where there was none.
        answer_to: Subject to answer that try's message on.
        trace: Where its threads were; empty where nothing could be written.
    """

    key: str = ""
    answer_to: str = ""
    trace: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether a watchdog ended it."""
        return self.trace.startswith("Timeout (")


class LastWords:
    """A file that outlives this process, in a folder its next life finds as it was.

    In a pod that is the volume for temporary files; a local run has a folder of its own. What people
    are to read of a process that cannot speak any more is written beforehand, where there is a file
    for it: the end of that is what Kubernetes shows in a pod's status.
    """

    def __init__(self, folder: Path, *owner: str) -> None:
        name = hashlib.blake2b("\0".join(owner).encode(), digest_size=12).hexdigest()
        self._path = folder / f"interact-{os.getuid()}-{name}.last"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self.file: IO[bytes] = os.fdopen(os.open(self._path, flags, 0o600), "r+b", buffering=0)
        self._public = termination_log()

    def past(self) -> Past:
        """What a former life has left; it is forgotten."""
        self.file.seek(0)
        text = self.file.read(MOST_WORDS).decode(errors="replace")
        self.file.truncate(0)
        first, _, rest = text.partition("\n")
        key, mark, answer_to = first.partition("\t")
        return Past(key, answer_to, rest.strip()) if mark else Past(trace=text.strip())

    def begin(self, key: str, answer_to: str, words: str) -> None:
        """A try is about to begin; ``words`` say so to people if it does not end."""
        self.file.truncate(0)
        self.file.write(f"{key}\t{answer_to}\n".encode())
        self._say(words + "\n")

    def clear(self) -> None:
        """It has ended."""
        self.file.truncate(0)
        self._say("")

    def close(self) -> None:
        """The process ends by itself: nothing is left."""
        self._path.unlink(missing_ok=True)
        self.file.close()

    def _say(self, words: str) -> None:
        if self._public is not None and (words or self._public.exists()):
            with suppress(OSError):
                self._public.write_text(words, encoding="utf-8")


class Watchdog:
    """Ends this process when a kernel does not end in time, also one that holds the interpreter.

    A timer of the C library runs out unless it is set anew. Setting it costs 0.1 ms, so one setting
    serves all kernels that begin within a quarter of the timeout.
    """

    def __init__(self, seconds: float, words: LastWords) -> None:
        self.seconds = seconds
        self._words = words
        self._due = 0.0
        self._armed = self._busy = False
        faulthandler.enable(words.file)

    def begin(self, *, alone: bool = False) -> None:
        """A kernel begins; ``alone`` gives it the longest time it may have."""
        self._busy = True
        now = time.perf_counter()
        if alone or now > self._due:
            self._armed, self._due = True, now + (KERNEL_TOLERANCE - 1) * self.seconds
            limit = KERNEL_TOLERANCE * self.seconds
            faulthandler.dump_traceback_later(limit, exit=True, file=self._words.file)

    def end(self) -> None:
        """The kernel has ended."""
        self._busy = False

    def rest(self) -> None:
        """Stop the timer if no kernel has begun of late; call it more often than the timeout."""
        if self._armed and not self._busy and time.perf_counter() > self._due:
            self.stop()

    def stop(self) -> None:
        """Stop the timer."""
        self._armed, self._due = False, 0.0
        faulthandler.cancel_dump_traceback_later()


def termination_log() -> Path | None:
    """Where a process says why it ended: a file the environment names, or Kubernetes'."""
    given = os.environ.get("INTERACT_TERMINATION_LOG")
    path = Path(given or TERMINATION_LOG)
    return path if given or os.access(path, os.W_OK) else None
