"""nats-py's client with two shorter ways: for what is sent without waiting, and for what a pull gets.

Its own publish checks names, makes a dictionary of headers into bytes and copies the payload twice; its
subscriptions make an object and wake a task for each message. Frames do without.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import Client, Srv

from interact._jetstream._frugal import LARGE_BYTES, FrugalParser, FrugalTransport

Received = Callable[[str, bytes], None]
"""Takes where to answer, and the payload; does not wait."""


class Direct(Client):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = FrugalParser(self)
        self._direct: dict[int, Received] = {}

    def post(self, subject: str, payload: bytes, reply: str = "", identity: str = "") -> None:
        """Send one message; without a connection it is kept while there is room, and then dropped.

        Args:
            subject: Where to; not checked.
            payload: The message; not copied, and never to be changed.
            reply: Where to answer.
            identity: Its name, for a stream.

        Raises:
            ConnectionClosedError: If the connection was closed for good.
        """
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        size = len(payload)
        if identity:
            name = f"NATS/1.0\r\nNats-Msg-Id: {identity}\r\n\r\n"
            head = f"HPUB {subject} {reply} {len(name)} {len(name) + size}\r\n{name}".encode()
        else:
            head = f"PUB {subject} {reply} {size}\r\n".encode()
        if not self.is_connected and self._pending_data_size + size > self._max_pending_size:
            return
        self._pending += (head, payload, b"\r\n")
        self._pending_data_size += len(head) + size + 2
        queue = self._flush_queue
        if queue is not None and queue.empty() and self.is_connected:
            queue.put_nowait(asyncio.get_running_loop().create_future())

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport is None and s.uri.scheme not in {"ws", "wss"}:
            self._transport = FrugalTransport()  # type: ignore[no-untyped-call]  # nats-py's
        await super()._connect_to_server(s)

    async def _send_publish(
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,
        headers: dict[str, Any] | None,
    ) -> None:
        """What nats-py's own requests send: a large one is not copied into its command."""
        if headers is not None or payload_size < LARGE_BYTES:
            await super()._send_publish(subject, reply, payload, payload_size, headers)
            return
        self.post(subject, payload, reply)
        await self.relieve()

    async def relieve(self) -> None:
        """Wait for the network where it takes less than was sent."""
        if self._pending_data_size > self._max_pending_size:
            await self._flush_pending(force_flush=True)

    def receive(self, sid: int, received: Received) -> None:
        """Give the messages of a subscription to a function, at once; the server's own words are not."""
        self._direct[sid] = received

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        super()._remove_sub(sid, max_msgs)
        self._direct.pop(sid, None)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        received = self._direct.get(sid)
        if received is None or not reply:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]
            return
        try:
            received(reply.decode(), data)
        except Exception as error:  # nats-py would end the connection
            await self._error_cb(error)
