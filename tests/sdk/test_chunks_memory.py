"""What large messages cost in memory, in processes of their own."""

import asyncio
import dataclasses
import json
import os
import sys
from contextlib import asynccontextmanager

import msgspec
import numpy as np
import pytest
from interact import DenseFrames, Scan, _chunks, source
from interact._carrier import Carrier
from interact_api.choices import Storage
from sdk import large_sink
from sdk.at_work import planned, running
from sdk.test_chunks import MIB, dense, edges

pytestmark = pytest.mark.nats

BESIDE = 4 * _chunks.CHUNK_BYTES
"""What a reader or a writer may take beside the frame: buffers of the socket are in it, too."""
PATIENCE = 110.0
GIGABYTE = pytest.mark.skipif(
    not os.environ.get("INTERACT_TEST_GIGABYTE"),
    reason="takes a minute and 3 GB of memory: `make e2e` does it, with INTERACT_TEST_GIGABYTE",
)


SIZES = pytest.mark.parametrize(
    "size",
    [
        pytest.param(100_000_000, id="100 MB"),
        pytest.param(1_000_000_000, id="1 GB", marks=[pytest.mark.slow, GIGABYTE]),
    ],
)


def large(server, size):
    """Streams with room for a message of a size."""
    return edges(server, "memory", message_bytes=_chunks.MESSAGE_BYTES, chunk_bytes=size + MIB)


@asynccontextmanager
async def process_of(program, *arguments):
    """A process of its own that runs a module; it has ended after the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", program, *arguments,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@SIZES
async def test_a_reader_needs_the_frame_and_four_chunks_of_memory(server, size):
    _, pieces = dense(size)

    async with (
        large(server, size) as (broker, place),
        process_of("sdk.large_reader", server.url, server.token, place.refers) as reader,
    ):
        assert await reader.stdout.readline() == b"ready\n"
        await Carrier(broker, "op/0").publish("memory.out.s", pieces, place=place, identity="one")
        told = json.loads(await reader.stdout.readline())

    assert (told["size"], told["start"]) == (size, 0)
    grown = told["after"] - told["before"]
    assert size <= grown + 8 * MIB
    assert grown <= size + BESIDE


@SIZES
async def test_a_writer_needs_four_chunks_of_memory_beside_its_frame(server, size):
    async with large(server, size) as (_, place):
        where = msgspec.json.encode(dataclasses.asdict(place)).decode()
        async with process_of(
            "sdk.large_writer", server.url, server.token, str(size), where
        ) as writer:
            told = json.loads(await writer.stdout.readline())

    assert 0 < told["grown"] <= BESIDE


@pytest.mark.parametrize("name", ["whole", "reduced", "streamed"])
@SIZES
async def test_an_operator_holds_one_frame_at_a_time_and_a_streaming_one_none(server, name, size):
    """Two large frames after a small one: the first has gone before the second is read."""
    taker = getattr(large_sink, name)

    @source(name="given", outputs={"out": "dense"})
    def given():
        """Large frames."""
        for number, rows in enumerate((1, 1000, 1000)):
            data = np.ones((1, rows, size // 1000), np.uint8)
            yield DenseFrames(scan=Scan("s", (3,)), start=number, stop=number + 1, data=data)

    edge = ("given.out", f"{name}.{taker.inputs[0].name}")
    plan = planned("large", [given, taker], [edge], max_bytes=size // 2 * 5, storage=Storage.FILE)
    config = plan.operators[name].model_dump_json(by_alias=True)
    async with (
        running(server, plan) as run,
        process_of("sdk.large_sink", server.url, server.token, config) as sink,
    ):
        assert await sink.stdout.readline() == b"ready\n"
        async with run.start(given):
            told = json.loads(await sink.stdout.readline())
            await run.until(name, lambda told: told.state == "done", patience=PATIENCE)
        sink.terminate()

    assert told["bytes"] == 2 * size + size // 1000
    frame = 0 if name == "streamed" else size
    assert told["after"] - told["before"] <= frame + BESIDE
