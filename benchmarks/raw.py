"""The hand-tuned nats-py loops an SDK is measured against: nothing but the socket and the kernel.

Run like the SDK, ``python -m benchmarks.raw FILE`` with the same environment: same streams, same
consumers, same guarantees (identities, acknowledgement after the output is stored). The messages
are a struct of 16 bytes and raw arrays; no scans, no coverage, no errors, no restarts.
"""

import asyncio
import json
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import nats.aio.client
import numpy as np
from interact import Scan, SparseFrames, _settings
from interact._jetstream import PREFETCH_MESSAGES, WINDOW_BYTES
from interact_api import report
from interact_api.report import Report
from nats.aio.msg import Msg

HEAD = struct.Struct("<qii")
"""Index of the first frame, number of frames, number of events."""
PULL_SECONDS = 20
RETRY_SECONDS = 0.02

nats.aio.client.DEFAULT_BUFFER_SIZE = 1 << 20


class Loop:
    """One process: counters, a window of unanswered messages, and a continuous pull."""

    def __init__(self, settings: _settings.Settings, client: Any) -> None:
        self.config = settings.config
        self.replica = settings.replica
        self.client = client
        self.inbox = client.new_inbox()
        self.sent: dict[str, tuple[str, bytes, Msg | None]] = {}
        self.sent_bytes = self.number = 0
        self.space = asyncio.Event()
        self.frames_in = self.messages_in = self.frames_out = 0
        self.wanted = 0

    async def publish(self, subject: str, payload: bytes, answered: Msg | None) -> None:
        """Send one message within the window; ``answered`` is acknowledged once it is stored."""
        while self.sent and self.sent_bytes + len(payload) > WINDOW_BYTES:
            self.space.clear()
            await self.space.wait()
        self.number += 1
        token = f"{self.replica}-{self.number}"
        self.sent[token] = subject, payload, answered
        self.sent_bytes += len(payload)
        await self._send(token)

    async def _send(self, token: str) -> None:
        subject, payload, _ = self.sent[token]
        headers = {"Nats-Msg-Id": f"{self.config.operator}-{token}"}
        await self.client.publish(subject, payload, reply=f"{self.inbox}.{token}", headers=headers)

    async def stored(self, answer: Msg) -> None:
        """The server has stored a message, or is full."""
        token = answer.subject.rpartition(".")[2]
        if not answer.data.startswith(b'{"stream"') and "error" in json.loads(answer.data):
            loop = asyncio.get_running_loop()
            loop.call_later(RETRY_SECONDS, lambda: loop.create_task(self._send(token)))
            return
        _, payload, parent = self.sent.pop(token)
        self.sent_bytes -= len(payload)
        self.space.set()
        if parent is not None:
            await self.client.publish(parent.reply, b"+ACK")

    async def pull(self, handle: Callable[[Msg], Awaitable[None]]) -> None:
        """Ask again whenever half of what was asked for has come."""
        entry = self.config.inputs[0]
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{entry.stream}.{entry.durable}"
        inbox = self.client.new_inbox()
        depth = 16

        async def ask() -> None:
            missing = depth - self.wanted
            self.wanted = depth
            request = {"batch": missing, "expires": int(PULL_SECONDS * 1e9)}
            await self.client.publish(subject, json.dumps(request).encode(), reply=inbox)

        async def received(message: Msg) -> None:
            nonlocal depth
            if not message.reply:
                self.wanted = 0
            else:
                self.wanted -= 1
                depth = max(2, min(PREFETCH_MESSAGES, (16 << 20) // len(message.data)))
                await handle(message)
            if self.wanted * 2 <= depth:
                await ask()

        await self.client.subscribe(
            inbox, cb=received, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await ask()

    async def tell(self, state: str) -> None:
        """The counters, as the SDK tells them."""
        told = Report(
            operator=self.config.operator, replica=self.replica, pid=os.getpid(), state=state,
            role=self.config.role, frames_in=self.frames_in, frames_out=self.frames_out,
            messages_in=self.messages_in,
        )  # fmt: skip
        subject = f"{self.config.status_subject}.{self.replica}"
        await self.client.publish(subject, report.encode(told))


async def source(loop: Loop) -> None:
    """Messages of a pool, again and again."""
    subject = f"{loop.config.outputs[0].subject}.raw"
    pool, frames = _pool(loop.config.parameters)
    while True:
        for payload in pool:
            await loop.publish(subject, payload, None)
            loop.frames_out += frames
            await asyncio.sleep(0)


def _pool(parameters: Any) -> tuple[list[bytes], int]:
    """Payloads as large as the SDK's, and the frames in each."""
    frames = int(parameters["frames_per_message"])
    if "message_bytes" in parameters:
        body = bytes(int(parameters["message_bytes"]))
        return [HEAD.pack(index, frames, 0) + body for index in range(16)], frames
    from interact_stem.planted import Planted

    planted = Planted(
        (parameters["scan_rows"], parameters["scan_columns"]),
        (parameters["detector_rows"], parameters["detector_columns"]),
        dose=parameters["dose"], per_message=frames,
    )  # fmt: skip
    pool: list[bytes] = []
    for batch in planted.batches(Scan("raw", planted.scan_shape)):
        if isinstance(batch, SparseFrames) and len(batch) == frames and len(pool) < 16:
            head = HEAD.pack(batch.start, frames, len(batch.rows))
            arrays = batch.rows, batch.columns, np.diff(batch.offsets).astype(np.uint32)
            pool.append(head + b"".join(array.tobytes() for array in arrays))
    return pool, frames


async def worker(loop: Loop) -> None:
    """Centre-of-mass sums of each message, or the message itself."""
    subject = f"{loop.config.outputs[0].subject}.raw"

    async def handle(message: Msg) -> None:
        index, frames, events = HEAD.unpack_from(message.data)
        payload = _moments(message.data, index, frames, events) if events else message.data
        loop.messages_in += 1
        loop.frames_in += frames
        await loop.publish(subject, payload, message)

    await loop.pull(handle)


def _moments(data: bytes, index: int, frames: int, events: int) -> bytes:
    from interact_stem import kernels  # numba takes a second; small messages need none

    rows = np.frombuffer(data, np.int16, events, HEAD.size)
    columns = np.frombuffer(data, np.int16, events, HEAD.size + 2 * events)
    offsets = np.zeros(frames + 1, np.int64)
    np.cumsum(np.frombuffer(data, np.uint32, frames, HEAD.size + 4 * events), out=offsets[1:])
    found = kernels.sparse_moments(rows, columns, None, offsets)
    return HEAD.pack(index, frames, 0) + found.tobytes()


async def sink(loop: Loop) -> None:
    """The sums of each frame in the frame's place."""
    picture: dict[int, Any] = {}

    async def handle(message: Msg) -> None:
        index, frames, _ = HEAD.unpack_from(message.data)
        if len(message.data) == HEAD.size + 24 * frames:
            picture[index] = np.frombuffer(message.data, np.int64, -1, HEAD.size)
        loop.messages_in += 1
        loop.frames_in += frames
        await loop.client.publish(message.reply, b"+ACK")

    await loop.pull(handle)


async def main() -> None:
    """Be what the configuration says, until killed."""
    settings = _settings.settings()
    client = await nats.connect(
        settings.nats_url, token=settings.token, pending_size=16 << 20, allow_reconnect=False
    )
    loop = Loop(settings, client)
    await client.subscribe(
        f"{loop.inbox}.*", cb=loop.stored, pending_msgs_limit=-1, pending_bytes_limit=-1
    )
    role = source if not loop.config.inputs else worker if loop.config.outputs else sink
    running = asyncio.ensure_future(role(loop))
    while True:
        await loop.tell("running")
        await asyncio.sleep(0.5)
        if running.done():
            running.result()


if __name__ == "__main__":
    assert Path(sys.argv[1]).exists()
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
