"""Large messages on a connection of nats-py with fewer copies: as they are read, and as they are written.

Its parser gathers a message in a buffer, cuts it out and copies it once more: three times its size. Its
transport joins what is to be written, and asyncio copies what the network does not take at once. A
reader of a chunk has here the chunk and what was read last, a writer what the network has not taken.
"""

import asyncio
import io
from collections.abc import Iterable
from typing import Any, cast

from nats.aio.transport import TcpTransport
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, CRLF_SIZE, Parser

LARGE_BYTES = 256 << 10
"""What is smaller costs less in one piece."""
READ_BYTES = 256 << 10


class FrugalParser(Parser):
    """The parser, but a large payload is read into the place where it stays."""

    nc: Any
    _payload: io.BytesIO | None = None
    _left: int = 0
    _head: bytes | None = None

    def reset(self) -> None:
        """Begin anew, with another connection."""
        super().reset()
        self._payload = None

    async def parse(self, data: bytes = b"") -> None:
        """Take what the network gave."""
        if self._payload is not None:
            taken = min(len(data), self._left)
            self._payload.write(memoryview(data)[:taken])
            self._left -= taken
            if self._left:
                return
            data = data[taken:]
            await self._pass_on(self._payload)
        await super().parse(data)
        if self.state == AWAITING_MSG_PAYLOAD and self.needed >= LARGE_BYTES:
            self._begin()

    def _begin(self) -> None:
        """Make room for a payload whose first bytes have come."""
        head = self.header_needed
        if len(self.buf) < head:
            return
        self._head = bytes(self.buf[:head]) if head else None
        size = self.needed - head + CRLF_SIZE
        payload = io.BytesIO()
        payload.seek(size - 1)
        payload.write(b"\0")  # all of it at once: growing would copy
        payload.seek(0)
        self._left = size - payload.write(memoryview(self.buf)[head:])
        self.buf = bytearray()
        self._payload = payload

    async def _pass_on(self, payload: io.BytesIO) -> None:
        payload.truncate(payload.tell() - CRLF_SIZE)
        found, told = payload.getvalue(), self.msg_arg
        self._payload = None
        del payload
        self.header_needed = 0
        self.state = AWAITING_CONTROL_LINE
        await self.nc._process_msg(told["sid"], told["subject"], told["reply"], found, self._head)


class FrugalTransport(TcpTransport):
    """The transport, but large parts are not joined with others."""

    def __bool__(self) -> bool:
        """It is there before it is connected, or the client would put its own in its place."""
        return True

    async def read(self, buffer_size: int) -> bytes:
        """What has come, not more at once than asyncio takes from the network."""
        found: bytes = await super().read(min(buffer_size, READ_BYTES))
        return found

    def writelines(self, payload: Iterable[Any]) -> None:
        """Write parts one after the other."""
        write = cast("asyncio.StreamWriter", self._io_writer).write
        small: list[Any] = []
        for part in payload:
            if len(part) < LARGE_BYTES:
                small.append(part)
                continue
            if small:
                write(b"".join(small))
                small = []
            write(memoryview(part))  # a view is not copied where it is written in pieces
        if small:
            write(b"".join(small))
