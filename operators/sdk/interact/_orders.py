"""What a person orders about scans while they run: to abort one, or to skip it, everywhere at once."""

import dataclasses
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import msgspec
from interact_api.wire import Scan

from interact._errors import InputError
from interact._ports import Broker
from interact._tally import Tally

PREFIX = "scans"
"""What keys of orders in the state bucket begin with; the scan's id follows after a dot."""
MOST_ORDERS = 4096
"""Orders to remember: as many scans as a ledger does."""
OPERATOR_CHARACTERS = 38
"""Of an operator's name that the id of a scan holds."""


class Action(StrEnum):
    """End a scan with what is known of it, or as if it had never been."""

    ABORT = "abort"
    SKIP = "skip"

    @property
    def reason(self) -> str:
        """Why the frames that were not made are missing."""
        return "aborted" if self is Action.ABORT else "skipped"


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """One order: which scan, what, who and when (RFC 3339).

    ``facts`` are the scan's own, for operators that have not seen a message of it.
    """

    scan: str
    action: Action
    by: str = ""
    at: str = ""
    facts: Scan | None = None


def scan_id(run: str, operator: str, ordinal: int) -> str:
    """The id of a source's scan in a run."""
    return f"{run[:12]}-{operator[:OPERATOR_CHARACTERS]}-{ordinal}"


def made_by(scan: str, operator: str) -> bool:
    """Whether a scan's id is one that an operator gives."""
    name = scan.partition("-")[2].rpartition("-")[0]
    return bool(name) and name == operator[:OPERATOR_CHARACTERS]


def key(scan: str) -> str:
    """The key of an order in the state bucket."""
    return f"{PREFIX}.{scan}"


def written(order: Order) -> bytes:
    """An order as the bucket holds it."""
    return json.dumps(
        {
            "scan": order.scan, "action": order.action, "by": order.by, "at": order.at,
            "facts": msgspec.to_builtins(order.facts),
        }
    ).encode()  # fmt: skip


def parsed(raw: bytes) -> Order:
    """An order read back.

    Raises:
        InputError: If it is none.
    """
    try:
        said = json.loads(raw)
        facts = said.get("facts")
        return Order(
            str(said["scan"]),
            Action(said["action"]),
            str(said.get("by", "")),
            str(said.get("at", "")),
            None if facts is None else msgspec.convert(facts, Scan),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"an order about a scan cannot be read: {error!r}") from error


class Orders:
    """The orders one replica has heard.

    Attributes:
        given: They, by the scan they are about.
        heard: Called with each order that is new.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.given: OrderedDict[str, Order] = OrderedDict()
        self.heard: Callable[[Order], object] = _ignored

    def of(self, scan: Scan) -> Order | None:
        """What was ordered about a scan."""
        return self.given.get(scan.id) if self.given else None

    def take(self, order: Order) -> None:
        """Somebody has ordered something; the first order about a scan holds."""
        if order.scan in self.given:
            return
        self.given[order.scan] = order
        if len(self.given) > MOST_ORDERS:
            self.given.popitem(last=False)
        self.heard(order)

    @asynccontextmanager
    async def followed(self, broker: Broker, bucket: str) -> AsyncIterator[None]:
        """Follow what is written into the bucket; it must be there."""
        async with broker.follow(f"KV_{bucket}", f"$KV.{bucket}.{key('*')}", self._heard):
            yield

    async def _heard(self, payload: bytes) -> None:
        if not payload:
            return  # a key that was removed
        try:
            self.take(parsed(payload))
        except InputError as error:
            self._tally.warn(str(error))


def _ignored(order: Order) -> None:
    del order
