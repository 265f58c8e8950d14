"""The scans of a pipeline that runs, as its operators tell of them; finding and ordering one."""

import asyncio
import getpass
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from interact_api import names, report, wire
from interact_api.board import scan_state
from interact_api.report import Report, ScanReport
from interact_api.wire import Scan

from interact import _orders
from interact._jetstream import JetStream
from interact._obeying import now
from interact._orders import Action, Order
from interact.cli.exits import CommandError, Exit

LISTEN_SECONDS = 1.3
"""Operators tell how they are twice a second."""
Told = Mapping[tuple[str, int], Report]


@dataclass(frozen=True)
class ScanState:
    """One scan: how far the slowest operator is, and whether a person has ended it."""

    id: str
    covered: int
    total: int
    complete: bool
    missing: Mapping[str, int]
    order: Order | None = None

    @property
    def words(self) -> str:
        """How it stands, for people and programs."""
        return scan_state(self.missing, complete=self.complete)


def states(told: Iterable[Report], orders: Mapping[str, Order]) -> list[ScanState]:
    """Every scan anybody told of, oldest first.

    A scan is complete when an operator that is no source has all of it, and no other lacks any.
    """
    sources: dict[str, ScanReport] = {}
    others: dict[str, list[ScanReport]] = {}
    for one in told:
        for name, scan in one.scans.items():
            if one.role == "source":
                sources[name] = scan
                others.setdefault(name, [])
            else:
                others.setdefault(name, []).append(scan)
    return [
        _state(name, sources.get(name), others[name], orders.get(name))
        for name in sorted(others, key=_ordinal)
    ]


def _state(
    name: str, source: ScanReport | None, others: list[ScanReport], order: Order | None
) -> ScanState:
    known = [*others, *([source] if source is not None else [])]
    missing: dict[str, int] = {}
    for reason, frames in (item for scan in known for item in scan.missing.items()):
        missing[reason] = max(missing.get(reason, 0), frames)
    total = max(scan.total for scan in known)
    complete = bool(others) and all(scan.complete for scan in others)
    covered = min((scan.covered for scan in others), default=0)
    return ScanState(name, total if complete else covered, total, complete, missing, order)


def _ordinal(name: str) -> tuple[str, int]:
    origin, _, number = name.rpartition("-")
    return origin, int(number) if number.isdigit() else 0


class Scans:
    """The scans of one pipeline, over a connection to its NATS."""

    def __init__(self, broker: JetStream, namespace: str, pipeline: str) -> None:
        self._broker = broker
        self._key = (namespace, pipeline)
        self._bucket = names.state_bucket(namespace, pipeline)

    async def known(self) -> list[ScanState]:
        """What operators tell within a second or so."""
        told: dict[tuple[str, int], Report] = {}

        async def heard(payload: bytes, subject: str) -> None:
            del subject
            with suppress(msgspec.MsgspecError):
                one = report.decode(payload)
                told[one.operator, one.replica] = one

        await self._broker.watch(f"{names.status_subject(*self._key, '*')}.*", heard)
        await asyncio.sleep(LISTEN_SECONDS)
        found = {name for one in told.values() for name in one.scans}
        orders = {name: order for name in found if (order := await self._order(name)) is not None}
        return states(told.values(), orders)

    async def _order(self, scan: str) -> Order | None:
        raw = await self._broker.get(self._bucket, _orders.key(scan))
        return None if not raw else _orders.parsed(raw)

    async def give(self, scan: ScanState, action: Action) -> None:
        """Order something about a scan."""
        order = Order(scan.id, action, _somebody(), now(), await self._facts(scan.id))
        await self._broker.put(self._bucket, _orders.key(scan.id), _orders.written(order))

    async def _facts(self, scan: str) -> Scan | None:
        """A scan's own facts, from any message of it that waits in a stream."""
        subject = names.scan_subject(names.port_subject(*self._key, "*", "*"), scan)
        for stream in await self._broker.streams():
            async for _, payload in self._broker.last_values(stream, subject):
                with suppress(wire.WireError):
                    return wire.decoded_scan(wire.parse(payload)[0])
        return None


def chosen(found: list[ScanState], wanted: str) -> ScanState:
    """The scan a command is about: the one named, or the one under way.

    Raises:
        CommandError: If there is none, there are several, or it is over.
    """
    known = ", ".join(scan.id for scan in found) or "none"
    if wanted:
        for scan in found:
            if scan.id == wanted:
                return _open(scan)
        raise CommandError(Exit.NOT_FOUND, f"there is no scan {wanted!r}; known: {known}")
    under_way = [scan for scan in found if not scan.complete and scan.order is None]
    if not under_way:
        raise CommandError(Exit.NOT_FOUND, f"no scan is under way; known: {known}")
    if len(under_way) > 1:
        several = ", ".join(scan.id for scan in under_way)
        raise CommandError(Exit.USAGE, f"several scans are under way, name one: {several}")
    return under_way[0]


def _open(scan: ScanState) -> ScanState:
    if scan.order is not None:
        by = f" by {scan.order.by}" if scan.order.by else ""
        raise CommandError(Exit.USAGE, f"scan {scan.id} was {scan.order.action.reason}{by} already")
    if scan.complete:
        raise CommandError(Exit.USAGE, f"scan {scan.id} is {scan.words}: there is nothing to end")
    return scan


def _somebody() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return ""
