"""A process that sends a large message and tells how much memory it needed; see test_chunks_memory."""

import asyncio
import json
import sys

import msgspec
import numpy as np
from interact import DenseFrames, _codec
from interact._carrier import Carrier
from interact._chunks import Place
from interact._jetstream import connect
from sdk.large_reader import peak_bytes
from sdk.test_chunks import SCAN


async def main(url: str, token: str, size: str, place: str) -> None:
    where = msgspec.convert(msgspec.json.decode(place), Place)
    async with connect(url, name="writer", token=token) as broker:
        data = np.ones((1, 1, int(size)), np.uint8)
        batch = DenseFrames(scan=SCAN, start=0, stop=1, data=data)
        before = peak_bytes()
        await Carrier(broker, "op/0").publish(
            f"{where.refers}.out.s", _codec.pieces(batch, identity=bytes(16)),
            place=where, identity="one",
        )  # fmt: skip
        after = peak_bytes()
    sys.stdout.write(json.dumps({"grown": after - before}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
