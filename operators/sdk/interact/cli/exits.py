"""How a command may end, and the error that carries it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `interact`; names and numbers are kept for good."""

    COMPLETE = 0
    INTERNAL = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILED = 4
    CRASHED = 5
    NO_NATS = 6
    STALLED = 7
    NOT_FOUND = 8
    FORBIDDEN = 9
    TIMEOUT = 10
    INVALID = 11
    UNREACHABLE = 12
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """The code in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.COMPLETE: "complete: every frame of every scan is accounted for",
    Exit.INTERNAL: "an internal error of interact",
    Exit.USAGE: "the command line, a specification or an input file is wrong",
    Exit.INCOMPLETE: "incomplete: frames are missing",
    Exit.FAILED: "frames failed in a kernel or could not be decoded, or a run did not complete",
    Exit.CRASHED: "an operator's process died and could not go on",
    Exit.NO_NATS: "there is no usable NATS",
    Exit.STALLED: "stalled: nothing moved for too long, or a pipeline says that it cannot go on",
    Exit.NOT_FOUND: "the cluster has no such object",
    Exit.FORBIDDEN: "the cluster does not let you do that",
    Exit.TIMEOUT: "what was waited for has not come in time",
    Exit.INVALID: "an operator or the cluster does not take a value",
    Exit.UNREACHABLE: "there is no usable cluster",
    Exit.INTERRUPTED: "interrupted",
}

TABLE = "\n".join(f"  {code.value:>3}  {code.meaning}" for code in Exit)
"""The exit codes as the help shows them."""


class CommandError(Exception):
    """A command cannot go on; carries what to tell and how to exit."""

    def __init__(self, code: Exit, *lines: str) -> None:
        self.code = code
        self.lines = lines
        super().__init__("\n".join(lines))
