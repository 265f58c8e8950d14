"""What large messages cost in memory, in processes of their own, and what is left of killed ones."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from interact import _chunks
from interact._carrier import Carrier
from sdk.test_chunks import MIB, dense, edges

pytestmark = pytest.mark.nats

MARGIN = 12 * MIB
"""Beside the frame and four chunks: what the interpreter and the socket's buffer take for it."""
PATIENCE = 110.0
GIGABYTE = pytest.mark.skipif(
    not os.environ.get("INTERACT_TEST_GIGABYTE"),
    reason="takes a minute and 3 GB of memory: set INTERACT_TEST_GIGABYTE",
)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(100_000_000, id="100 MB"),
        pytest.param(1_000_000_000, id="1 GB", marks=[pytest.mark.slow, GIGABYTE]),
    ],
)
async def test_a_reader_needs_the_frame_and_four_chunks_of_memory(server, size):
    _, pieces = dense(size)
    program = Path(__file__).parent / "large_reader.py"

    async with edges(
        server, "memory", message_bytes=_chunks.MESSAGE_BYTES, chunk_bytes=size + MIB
    ) as (broker, place):
        reader = await asyncio.create_subprocess_exec(
            sys.executable, str(program), server.url, server.token, place.refers,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            assert await reader.stdout.readline() == b"ready\n"
            await Carrier(broker, "op/0").publish(
                "memory.out.s", pieces, place=place, identity="one"
            )
            told = json.loads(await reader.stdout.readline())
            await reader.wait()

    assert (told["size"], told["start"]) == (size, 0)
    grown = told["after"] - told["before"]
    assert size <= grown + 8 * MIB
    assert grown <= size + 4 * _chunks.CHUNK_BYTES + MARGIN
