"""A process that sends a large message and is killed in the middle of the next; see test_chunks_killed."""

import asyncio
import os
import signal
import sys

import msgspec
from interact._carrier import Carrier
from interact._chunks import Place
from interact._jetstream import connect
from sdk.test_chunks import LIMIT, dense


class Fatal(list):
    """Parts of a message in whose middle the process is killed."""

    def __iter__(self):
        whole = b"".join(super().__iter__())
        yield whole[: len(whole) // 2]
        os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, token: str, subject: str, owner: str, size: str, place: str) -> None:
    where = Place(**msgspec.json.decode(place))
    async with connect(url, name=owner, token=token, message_bytes=LIMIT) as broker:
        broker.large._chunk_bytes = LIMIT
        carrier = Carrier(broker, owner)
        for number in range(2):
            _, pieces = dense(int(size), start=number)
            if number:
                pieces = msgspec.structs.replace(pieces, parts=Fatal(pieces.parts))
            await carrier.publish(subject, pieces, place=where, identity=f"{owner}-{number}")
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
