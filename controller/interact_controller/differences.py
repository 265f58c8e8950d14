"""Where an object differs from what we want of it; fields that are not ours play no part."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from interact_api.plain import is_list, is_mapping

KEYS: Final = ("name", "containerPort", "mountPath", "uid", "topologyKey", "key")
"""What tells the entries of Kubernetes' lists apart, in the order of trying."""
_UNITS: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def difference(wanted: Any, found: Any, path: str = "") -> str:
    """The first place where an object is not as wanted; empty if there is none.

    Maps are compared by the wanted keys, lists by what tells their entries apart; empty values
    equal absent ones and quantities their other spellings, as the API server has it.

    >>> difference({"spec": {"ports": [{"name": "http"}]}}, {"spec": {"ports": []}})
    'spec.ports[http]'
    """
    if is_mapping(wanted):
        if not is_mapping(found):
            return "" if not wanted and found is None else path
        places = (
            difference(value, found.get(key), f"{path}.{key}" if path else str(key))
            for key, value in wanted.items()
        )
        return next(filter(None, places), "")
    if is_list(wanted):
        return _entries(wanted, found, path)
    if not wanted and not found:
        return ""
    return "" if wanted == found or _same_quantity(wanted, found) else path


def _entries(wanted: Sequence[Any], found: Any, path: str) -> str:
    if not is_list(found):
        return "" if not wanted and found is None else path
    key = _key(wanted, found)
    if not key:
        if len(wanted) != len(found):
            return path
        pairs = enumerate(zip(wanted, found, strict=True))
        places = (difference(left, right, f"{path}[{n}]") for n, (left, right) in pairs)
        return next(filter(None, places), "")
    by_key = {one[key]: one for one in found}
    for one in wanted:
        place = f"{path}[{one[key]}]"
        where = difference(one, by_key[one[key]], place) if one[key] in by_key else place
        if where:
            return where
    return ""


def _key(wanted: Sequence[Any], found: Sequence[Any]) -> str:
    """What tells the entries of both lists apart; empty if nothing does."""
    both = [*wanted, *found]
    for key in KEYS:
        if all(is_mapping(one) and key in one for one in both):
            apart = [[str(one[key]) for one in side] for side in (wanted, found)]
            if all(len(set(side)) == len(side) for side in apart):
                return key
    return ""


def _same_quantity(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    one, other = _quantity(left), _quantity(right)
    return one is not None and one == other


def _quantity(value: object) -> Decimal | None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(n|u|m|k|[MGTPE]i?|Ki)?", str(value))
    return Decimal(match[1]) * _UNITS[match[2] or ""] if match else None
