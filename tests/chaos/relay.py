"""A network that can be cut: a relay of TCP connections between a process and its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from interact._server import Server

CHUNK_BYTES = 1 << 16


class Relay:
    """Passes bytes on until it is told not to.

    Attributes:
        url: Where it listens, in place of the server.
    """

    def __init__(self, server: Server) -> None:
        address = urlsplit(server.url)
        self._host, self._port = address.hostname or "", address.port or 0
        self.url = ""
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Relay"]:
        """Listen beside the server."""
        listener = await asyncio.start_server(self._accept, self._host, 0)
        self.url = f"nats://{self._host}:{listener.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            listener.close()
            self.mend()
            self._close()

    def cut(self) -> None:
        """Close every connection, and each new one, until `mend`."""
        self._refuses = True
        self._close()

    def blackhole(self) -> None:
        """Keep every connection, and pass nothing on until `mend`."""
        self._open.clear()

    def mend(self) -> None:
        """All is well again; what a black hole holds arrives."""
        self._refuses = False
        self._open.set()

    def _close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        with suppress(OSError):
            there, back = await asyncio.open_connection(self._host, self._port)
            ends = {writer, back}
            self._writers |= ends
            ways = [asyncio.ensure_future(self._pass(reader, back)),
                    asyncio.ensure_future(self._pass(there, writer))]  # fmt: skip
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            for end in ends:
                end.transport.abort()
            self._writers -= ends

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
