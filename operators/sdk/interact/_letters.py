"""Dead letters: what could not be processed is kept, with the reason."""

from collections.abc import Awaitable, Callable

from interact_api.config import OperatorConfig
from interact_api.wire import Header, WireError

from interact import _codec
from interact._batches import Batch
from interact._errors import TooLarge
from interact._identity import identity
from interact._kernel import Failed
from interact._ports import Broker
from interact._tally import Tally


class Letters:
    """One operator's way to the dead-letter stream."""

    def __init__(self, config: OperatorConfig, broker: Broker, tally: Tally) -> None:
        self._config = config
        self._broker = broker
        self._tally = tally

    async def undecodable(
        self, port: str, payload: bytes, error: WireError, *, stored: Callable[[], Awaitable[None]]
    ) -> None:
        """Keep a message nobody can read, as it came; ``stored`` follows."""
        self._tally.undecodable += 1
        self._tally.fail(f"{self._config.operator}.{port}: {error}", frames=0)
        name = identity(self._config.run, self._config.operator, port, payload).hex()
        subject = self._config.dead_letter_subject
        try:
            await self._broker.publish(subject, payload, identity=name, stored=stored)
        except TooLarge as size:  # another program may send to the last byte
            fitting = payload[: size.limit // 2]
            await self._broker.publish(subject, fitting, identity=name, stored=stored)

    async def failed(self, header: Header, failures: tuple[Failed, ...]) -> None:
        """Keep each frame a kernel failed on, alone, as a message of its kind."""
        for failure in failures:
            part = next(iter(failure.part.values()))
            self._tally.fail(f"{self._config.operator}: {failure.error}", frames=max(len(part), 1))
            why = {
                "error": failure.error,
                "traceback": failure.digest,
                "operator": self._config.operator,
            }
            first = int(part.index[0]) if len(part) else 0
            name = identity(self._config.run, self._config.operator, "dead", header.identity, first)
            try:
                await self._publish(name, part.replace(attributes={**part.attributes, **why}))
            except (TooLarge, WireError):  # no room for the reason: it goes without the data
                coverage = {**part.frame(), "attributes": why, "y": None, "x": None}
                await self._publish(name, Batch(**coverage))
        if failures:
            await self._broker.flush()  # the input is acknowledged only when they are safe

    async def _publish(self, name: bytes, letter: Batch) -> None:
        await self._broker.publish(
            self._config.dead_letter_subject,
            _codec.encode(letter, identity=name),
            identity=name.hex(),
        )
