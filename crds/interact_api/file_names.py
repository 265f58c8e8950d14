"""Names that come from outside, before they become paths: refused, never repaired."""

import re
from typing import Final

from interact_api.conditions import Reason
from interact_api.problem import Problem

MAX_PART_BYTES: Final = 255
"""Of one part of a path; what Linux file systems take."""
MAX_PATH_BYTES: Final = 1024
MAX_PARTS: Final = 16
_FOLDER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9])){0,62}")


def file_problem(name: str, path: str = "files") -> Problem | None:
    """What is wrong with the name of a file below a run's folder; None if nothing is.

    Args:
        name: Relative, with ``/`` between its parts, for example ``spectra/first.csv``.
        path: Where the name stands, for the message.

    >>> file_problem("spectra/first.csv") is None
    True
    >>> file_problem("../escaped.txt").message
    "the file name '../escaped.txt' has the part '..'; write the name below the run's folder"
    """
    wrong = _wrong(name)
    if wrong is None:
        return None
    return Problem(path, Reason.INVALID_PARAMETER, f"the file name {shown(name)} {wrong}")


def folder_problem(word: str, path: str) -> Problem | None:
    """What is wrong with a word that names a folder of its own; None if nothing is."""
    if _FOLDER.fullmatch(word):
        return None
    message = (
        f"{shown(word)} cannot name a folder; use 1 to 63 letters, digits, '_', '-' and single "
        "'.' between them, beginning with a letter or digit"
    )
    return Problem(path, Reason.INVALID_PARAMETER, message)


def shown(name: str) -> str:
    """A name in a message: quoted, on one line, at most 80 characters of it.

    >>> shown("a" * 100)[-8:]
    "aaaaaa'…"
    """
    return ascii(name[:80]) + ("…" if len(name) > 80 else "")


def _wrong(name: str) -> str | None:
    parts = name.split("/")
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name:
        return "is empty; name a file"
    if not name.isprintable():
        return "has a character that cannot be printed; rename the file"
    if size > MAX_PATH_BYTES or len(parts) > MAX_PARTS:
        return (
            f"has {size} bytes in {len(parts)} parts, at most {MAX_PATH_BYTES} bytes and "
            f"{MAX_PARTS} parts are taken; shorten it"
        )
    if name.startswith("/") or "\\" in name:
        return "is absolute or has a backslash; write the name below the run's folder, with '/'"
    for part in parts:
        if part in {"", ".", ".."}:
            return f"has the part {part!r}; write the name below the run's folder"
        if len(part.encode()) > MAX_PART_BYTES:
            return f"has a part of more than {MAX_PART_BYTES} bytes; shorten it"
    return None
