"""What `helm test` asks: does JetStream answer, and is the controller ready?"""

import asyncio
import os
import sys
import urllib.request
from pathlib import Path

import nats

TIMEOUT_SECONDS = 10


def token() -> str | None:
    """What the server asks for, if anything."""
    path = os.environ.get("INTERACT_NATS_TOKEN_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else None


async def jetstream() -> str:
    """How many streams the account has."""
    client = await nats.connect(
        os.environ["INTERACT_NATS_URL"],
        token=token(),
        connect_timeout=TIMEOUT_SECONDS,
        allow_reconnect=False,
    )
    info = await client.jetstream().account_info()
    await client.close()
    return f"JetStream answers: {info.streams} streams"


def controller() -> str:
    """Whether it says that it is ready: it has the API server and NATS."""
    url = os.environ["INTERACT_CONTROLLER_URL"]
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        return f"the controller is ready ({answer.status})"


sys.stdout.write(f"{asyncio.run(asyncio.wait_for(jetstream(), TIMEOUT_SECONDS))}\n{controller()}\n")
