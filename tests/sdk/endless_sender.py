"""A process that sends one large message after another until it is killed; see test_chunks_killed."""

import asyncio
import sys

import msgspec
from interact._carrier import Carrier
from interact._chunks import Place
from interact._jetstream import connect
from sdk.test_chunks import LIMIT, dense


async def main(url: str, token: str, subject: str, owner: str, size: str, place: str) -> None:
    where = Place(**msgspec.json.decode(place))
    async with connect(url, name=owner, token=token, message_bytes=LIMIT) as broker:
        broker.large._chunk_bytes = LIMIT
        carrier = Carrier(broker, owner)
        number = 0
        while True:
            _, pieces = dense(int(size), start=number % 60)
            await carrier.publish(subject, pieces, place=where, identity=f"{owner}-{number}")
            number += 1
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
