"""Sending a message of any size: in one piece where it fits, in chunks where it does not."""

from collections.abc import Iterable
from typing import Any

from interact._chunks import Place
from interact._codec import Pieces
from interact._ports import Broker, LargeBroker, Stored


class Carrier:
    """One sender's way to a broker."""

    def __init__(self, broker: Broker, owner: str) -> None:
        """Begin.

        Args:
            broker: Where to send.
            owner: The operator and its replica: another life of it has the same name.
        """
        self._broker = broker
        self._owner = owner
        self._large = broker if isinstance(broker, LargeBroker) else None
        self.whole_bytes = self._large.message_bytes if self._large else 1 << 62
        """The largest message that goes in one piece."""

    async def publish(
        self,
        subject: str,
        pieces: Pieces,
        *,
        place: Place | None,
        identity: str,
        stored: Stored | None = None,
        full: Stored | None = None,
        stays: bool = False,
    ) -> None:
        """Send a message; a large one is stored on return, ``stored`` follows in any case.

        With ``full``, that is called instead where there is no room. One that ``stays`` is the last
        of its subject, also if it was stored before; a large one has another name each time.

        Raises:
            TooLarge: If there is no place for it.
        """
        if pieces.size <= self.whole_bytes or place is None or self._large is None:
            payload = await pieces.joined()
            more: dict[str, Any] = {"full": full} if full is not None else {}
            if stays:
                more["stays"] = True
            await self._broker.publish(subject, payload, identity=identity, stored=stored, **more)
            return
        sent = await self._large.publish_large(
            place, subject, pieces.header, pieces.elsewhere or pieces.parts, pieces.size,
            identity=identity, owner=self._owner, patient=full is None,
        )  # fmt: skip
        then = stored if sent else full
        if then is not None:
            await then()

    def tend(self, places: Iterable[Place | None]) -> None:
        """Free what a former life of the owner left."""
        for place in places:
            if place is not None and self._large is not None:
                self._large.tend(place, self._owner)
