"""A process that reads one large message and tells how much memory it needed; see test_chunks_memory."""

import asyncio
import json
import sys
from pathlib import Path

from interact import _codec
from interact._jetstream import connect


def peak_bytes() -> int:
    """The most memory this process has had so far."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


async def main(url: str, token: str, stream: str) -> None:
    wake = asyncio.Event()
    async with (
        connect(url, name="reader", token=token) as broker,
        broker.consume(stream, "reader", wake=wake.set) as inlet,
    ):
        before = peak_bytes()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while (held := await inlet.take()) is None:
            wake.clear()
            await wake.wait()
        header, batch = _codec.decode(held.payload)
        after = peak_bytes()
        size = len(held.payload)
        edges = [int(batch.data[0, 0, 0]), int(batch.data[-1, -1, -1])]
        await held.ack()
        await broker.client.flush()
    told = {"before": before, "after": after, "size": size, "edges": edges, "start": header.start}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
