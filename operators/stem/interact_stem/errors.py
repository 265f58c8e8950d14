"""What can go wrong between a file, an array and a picture.

StemError
├── ShapeError        an array does not fit the others
└── ReaderError       a file is foreign, damaged, or needs a parameter
"""

from __future__ import annotations

import os

from interact import InputError, InteractError


class StemError(InteractError):
    """Base of every error this package raises on purpose."""


class ShapeError(StemError, ValueError):
    """An array does not fit the others: its shape, its type, or an event outside the detector."""


class ReaderError(StemError, InputError):
    """A file cannot be read as asked.

    Attributes:
        path: The file.
        field: The header field, dataset or parameter at fault.
        value: What was found there.
        remedy: What a person can do about it.
    """

    def __init__(
        self, path: str | os.PathLike[str], field: str, value: object, remedy: str
    ) -> None:
        self.path = os.fspath(path)
        self.field = field
        self.value = value
        self.remedy = remedy
        super().__init__(f"{self.path}: {field} is {value!r}; {remedy}")
