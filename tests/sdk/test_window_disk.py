"""A full disk below nats-server: nothing is acknowledged falsely, and after a restart all arrives."""

import asyncio
import os
import signal

import pytest
from interact_api.choices import Storage
from sdk import small_disk
from sdk.looking import pause
from sdk.test_window import MIB, PATIENCE, Sink, connected, edge, numbered

pytestmark = [
    pytest.mark.nats,
    pytest.mark.skipif(not small_disk.available(), reason="no file systems of our own (unshare)"),
]


async def test_a_full_disk_is_told_of_and_after_a_restart_all_arrives(tmp_path, caplog):
    plan, count = edge("disk", max_bytes=256 * MIB, storage=Storage.FILE), 480
    stored = set()

    async def produce(broker):
        for number in range(count):

            async def done(number=number):
                stored.add(number)

            await broker.publish("disk.out.s", numbered(number), identity=str(number), stored=done)
        await broker.flush()

    with small_disk.small_disk(tmp_path, 16 * MIB) as disk, disk.server() as server:
        async with connected(server, "disk", window_bytes=MIB) as broker:
            await broker.make(plan)
            producing = asyncio.create_task(produce(broker))
            async with asyncio.timeout(PATIENCE):
                while "its disk may be full" not in caplog.text:  # a log
                    await pause(0.01)
            answered = set(stored)
            os.kill(server.pid, signal.SIGKILL)
            disk.resize(128 * MIB)
            with disk.server(server.port) as again:
                async with asyncio.timeout(PATIENCE):
                    await producing
                async with connected(again, "reader") as reading:
                    sink = Sink(reading, plan.name)
                    sink.opened.set()
                    await sink.take(count)

    came = {int.from_bytes(payload[:4]) for payload in sink.payloads}
    assert 0 < len(answered) < count
    assert all(payload == numbered(int.from_bytes(payload[:4])) for payload in sink.payloads)
    assert answered <= came, "what was acknowledged is there"
    assert came == stored == set(range(count))
