"""A process that sends as fast as it may and tells its memory twice a second; see test_window_memory."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from interact._jetstream import connect

SIZE = 64 << 10
WINDOW_BYTES = 1 << 20
PAUSE_SECONDS = 0.5


def resident_bytes(process: int | str = "self") -> int:
    """The memory a process has now."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) << 10


def told(count: int) -> None:
    sys.stdout.write(f"{resident_bytes()} {count}\n")
    sys.stdout.flush()


async def main(url: str, token: str, subject: str) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    sent = 0
    async with connect(url, name="steady", token=token, window_bytes=WINDOW_BYTES) as broker:

        async def tell() -> None:
            while not ended.is_set():
                told(sent)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), PAUSE_SECONDS)

        telling = asyncio.create_task(tell())
        while not ended.is_set():
            await broker.publish(subject, sent.to_bytes(4) * (SIZE // 4), identity=str(sent))
            sent += 1
            await asyncio.sleep(0)
        await broker.flush()
        await telling
    told(sent)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
