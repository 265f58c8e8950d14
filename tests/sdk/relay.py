"""A TCP relay between a client and nats-server that can cut connections, or swallow what they say."""

import asyncio
from contextlib import suppress


class Relay:
    """Listens on a free port and passes everything on, until told otherwise."""

    def __init__(self, port):
        self.connections = self.cuts = self.bytes = 0
        self._port = port
        self._tasks = set()
        self._pairs = []
        self._swallowing = set()
        self._moved = asyncio.Condition()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self):
        port = self._server.sockets[0].getsockname()[1]
        return f"nats://127.0.0.1:{port}"

    def cut(self):
        """End all connections at once, with what is on its way."""
        self.cuts += bool(self._pairs)
        for writer in self._pairs:
            writer.transport.abort()
        self._pairs.clear()

    def swallow(self):
        """Pass nothing on from the connections there are; later ones work."""
        self._swallowing.update(self._pairs)

    async def passed(self, more, patience):
        """Wait until so many bytes more went from client to server."""
        target = self.bytes + more
        async with asyncio.timeout(patience), self._moved:
            await self._moved.wait_for(lambda: self.bytes >= target)

    async def _accepted(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        with suppress(OSError, asyncio.CancelledError):
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self._port)
            self.connections += 1
            self._pairs += [writer, to_server]
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, to_server, counted=True))
                group.create_task(self._pump(upstream, writer, counted=False))

    async def _pump(self, reader, writer, *, counted):
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if counted:
                    async with self._moved:
                        self.bytes += len(data)
                        self._moved.notify_all()
                if writer not in self._swallowing:
                    writer.write(data)
                    await writer.drain()
        writer.close()
