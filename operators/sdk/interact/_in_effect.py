"""Parameters that change while an operator runs: what it is told, and what is in use when."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from interact_api.config import OperatorConfig

from interact import _live_values as documents
from interact._errors import BrokerError, InputError
from interact._live_values import Accepted, Document, Entry, Taker
from interact._operator import Operator
from interact._ports import Broker
from interact._tally import Tally
from interact._tasks import wanted

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LOOK_SECONDS = 5.0
"""Between looks at the bucket, beside following it."""
MAX_SCANS = 64
"""Revisions of scans to remember, and copies of them to leave in the bucket."""


class Live:
    """The parameters of one replica.

    Values come in by `take` at any time and are put to use by `turn` between two messages, or, those
    of scope scan, with the first message of a scan that began with them. A source puts them to use by
    `adopt`, between scans.

    Attributes:
        used: The values in use.
        changed: Set when `adopt` would change values.
        heard: Called when `take` has brought something.
        use: Called with values and their revision when they are put to use.
    """

    def __init__(self, operator: Operator, config: OperatorConfig, tally: Tally) -> None:
        self._config = config
        self._tally = tally
        self._taker = Taker(operator)
        self._broker: Broker | None = None
        self._newest = self.used = self._taker.first(config)
        self._document = Document({config.operator: Entry(config.revision, config.parameters)})
        self._begun = self._document
        """The document that scans begin with: of a source, the one its generator was given."""
        self._whole = config.revision
        self._turned: int | None = None
        self._news = False
        self._scans: dict[int, Accepted] = {}
        self._copies: deque[int] = deque()
        self.changed = asyncio.Event()
        self.heard: Callable[[], object] = self.changed.is_set
        self.use: Callable[[Mapping[str, Any], int], object] = _ignored
        self._tell()

    @property
    def values(self) -> dict[str, Any]:
        """The values in use, as they are written."""
        return dict(self.used.values)

    @property
    def native(self) -> dict[str, Any]:
        """The values in use, as the kernel takes them."""
        return self._taker.native(self.used.values)

    @property
    def pending(self) -> bool:
        """Whether the newest values are not those in use."""
        return dict(self.used.values) != dict(self._newest.values)

    def take(self, document: Document) -> None:
        """Somebody has changed values; nothing is put to use before the next message.

        Raises:
            InputError: If a required parameter has no value, and had none before.
        """
        entry = document.entries.get(self._config.operator)
        if entry is None or document.revision < self._document.revision:
            return
        self._document = document
        if entry.revision == self._newest.revision:
            return
        self._newest = self._taker.accept(entry, self._newest)
        self._news = True
        if self.pending:
            self.changed.set()
        self._tell()
        self.heard()

    def _put_to_use(self, accepted: Accepted) -> None:
        self.used = accepted
        self.use(accepted.values, accepted.revision)

    def _tell(self) -> None:
        """Report the newest revision of which everything is in use."""
        if not self.pending:
            self._whole = self._newest.revision
        self._tally.revision = self._whole
        self._tally.refused = dict(self._newest.refused)

    # -- operators with inputs --------------------------------------------------------------------

    def stale(self, revision: int) -> bool:
        """Whether `turn` has something to do before a message of a scan begun with a revision."""
        return self._news or (revision != self._turned and bool(self._taker.at_scans))

    async def rest(self, *, over: bool) -> None:
        """Put to use what can be while no message is there; everything if all scans are over."""
        if self._news or (over and self.pending):
            await self.turn(None if over else self._turned)

    async def turn(self, revision: int | None) -> None:
        """Put to use what a message of a scan is to be computed with; None for no scan."""
        self._news = False  # what comes while this waits is news again
        scan = await self._of_scan(revision) if self._taker.at_scans and revision else None
        newest = self._newest
        self._put_to_use(newest if scan is None else self._taker.mixed(newest, scan))
        self._turned = revision
        self._tell()

    async def _of_scan(self, revision: int) -> Accepted:
        """The values this operator had when a scan began, which had that revision."""
        if revision not in self._scans:
            if self._document.revision < revision or self._newest.revision > revision:
                self._scans[revision] = self._read(await self._fetched(revision))
            else:
                self._scans[revision] = self._newest
            if len(self._scans) > MAX_SCANS:
                del self._scans[next(iter(self._scans))]
        return self._scans[revision]

    def _read(self, document: Document | None) -> Accepted:
        entry = document.entries.get(self._config.operator) if document is not None else None
        return self._newest if entry is None else self._taker.accept(entry, self._newest)

    async def _fetched(self, revision: int) -> Document | None:
        """The document a scan began with, from the bucket; None if it is not there any more."""
        while self._broker is not None and wanted():
            try:
                raw = await self._broker.get(
                    self._config.state_bucket, f"{documents.KEY}.{revision}"
                )
            except BrokerError as error:
                logger.warning("parameters of revision %d: %s", revision, error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if raw is not None:
                return documents.parsed(raw)
            self._tally.warn(f"parameters of revision {revision} are gone; newer ones are used")
            return None
        return None

    # -- sources ----------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Use the newest values from now on."""
        self._begun = self._document
        self._news = False
        self.changed.clear()
        self._put_to_use(self._newest)
        self._tell()

    async def begin(self) -> int:
        """A scan begins: the revision every operator computes it with, kept for all of them."""
        if not self.pending:
            self.adopt()
        revision = self._begun.revision
        if self._broker is not None and self._begun.raw and revision not in self._copies:
            await self._copy(self._broker, revision)
        return revision

    async def go_on(self, revision: int) -> None:
        """A former life left a scan begun with a revision: use its values to the scan's end."""
        document = await self._fetched(revision)
        if document is not None:
            self._begun = document
            self._put_to_use(self._read(document))
            if self.pending:
                self.changed.set()
            self._tell()

    async def _copy(self, broker: Broker, revision: int) -> None:
        bucket = self._config.state_bucket
        try:
            await broker.put(bucket, f"{documents.KEY}.{revision}", self._begun.raw)
        except BrokerError as error:
            self._tally.warn(f"operators that start again may use newer parameters: {error}")
            return
        self._copies.append(revision)
        if len(self._copies) > MAX_SCANS:
            await broker.forget(bucket, f"{documents.KEY}.{self._copies.popleft()}")

    # -- where they come from ---------------------------------------------------------------------

    async def given(self, broker: Broker) -> bool:
        """Whether the bucket, or the configuration, has values to start with; takes them.

        Raises:
            BrokerError: If the bucket is not there.
            InputError: If they cannot be used.
        """
        raw = await broker.get(self._config.state_bucket, documents.KEY)
        if raw is not None:
            self.take(documents.parsed(raw))
            self.adopt()
        return self._newest.revision > 0

    @asynccontextmanager
    async def followed(self, broker: Broker) -> AsyncIterator[None]:
        """Follow what is written into the bucket; it must be there."""
        bucket = self._config.state_bucket
        async with broker.follow(f"KV_{bucket}", f"$KV.{bucket}.{documents.KEY}", self._heard):
            self._broker = broker
            looking = asyncio.create_task(self._look(broker), name="look at parameters")
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.wait({looking})

    async def _look(self, broker: Broker) -> None:
        """Read what following has missed: it begins anew some time after its server did."""
        while wanted():
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(BrokerError):
                raw = await broker.get(self._config.state_bucket, documents.KEY)
                if raw is not None and raw != self._document.raw:
                    await self._heard(raw)

    async def _heard(self, payload: bytes) -> None:
        try:
            self.take(documents.parsed(payload))
        except InputError as error:
            self._tally.warn(str(error))


def _ignored(values: Mapping[str, Any], revision: int) -> None:
    del values, revision
