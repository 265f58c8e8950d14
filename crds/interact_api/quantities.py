"""Durations and byte counts as people write them in Kubernetes objects."""

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

DURATION_PATTERN: Final = r"^([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h))+$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,6})?(m|k|K|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
BYTES_PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,6})?(k|M|G|T|Ki|Mi|Gi|Ti)?$"

_SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_FACTORS: Final = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def seconds(duration: str) -> float:
    """The length of a duration such as ``"1m30s"`` in seconds.

    Raises:
        ValueError: If the text is not a duration.

    >>> seconds("1m30s")
    90.0
    """
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration; write 500ms, 30s, 5m or 1h30m")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", duration)
    return float(sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0)))


def byte_count(size: int | str) -> int:
    """The bytes of a size such as ``"256Mi"`` or ``1000``.

    Raises:
        ValueError: If the text is not a size.

    >>> byte_count("1.5Ki")
    1536
    """
    if isinstance(size, int):
        return size
    if not re.fullmatch(BYTES_PATTERN, size):
        raise ValueError(f"{size!r} is not a size in bytes; write 256Mi, 1Gi or a whole number")
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", size).groups()  # type: ignore[union-attr]
    return int(Decimal(number) * _FACTORS[unit])


def _size(value: object) -> object:
    if not _counted(value, BYTES_PATTERN, 1):
        raise PydanticCustomError("bytes", "a size in bytes is 256Mi, 1Gi or a whole number >= 1")
    return value


def _quantity(value: object) -> object:
    if not _counted(value, QUANTITY_PATTERN, 0):
        raise PydanticCustomError("quantity", "a quantity is 500m, 2, 1.5 or 256Mi, 0 or more")
    return value


def _counted(value: object, pattern: str, least: int) -> bool:
    if isinstance(value, str):
        return re.fullmatch(pattern, value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, max_length=32)]
Size = Annotated[
    int | str,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 1,
            "pattern": BYTES_PATTERN,
            "maxLength": 24,
        }
    ),
]
Quantity = Annotated[
    int | str,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 24,
        }
    ),
]
