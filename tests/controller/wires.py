"""Streams as a plan has them, and waiting for what a real nats-server does."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cluster import waiting
from interact._server import Server
from interact_api import names
from interact_api.choices import Storage
from interact_api.stream_plan import (
    BucketPlan,
    ConsumerPlan,
    DeliverPolicy,
    Discard,
    Retention,
    StreamPlan,
)
from interact_controller import jetstream
from interact_controller.jetstream import JetStream
from interact_controller.seen import ConsumerSeen, StreamSeen

INSTALLATION = "interact.science/installation"
MIB = 1 << 20
KEY = ("lab", "run", "scan", "out")
METADATA = {
    INSTALLATION: "here",
    "interact.science/namespace": "lab",
    "interact.science/pipeline": "run",
    "interact.science/pipeline-uid": "u-1",
}
READER = ConsumerPlan("sum_frames", 35.0, 1024, DeliverPolicy.ALL)
PLAN = StreamPlan(
    name=names.stream(*KEY),
    subject=f"{names.port_subject(*KEY)}.*",
    retention=Retention.INTEREST,
    discard=Discard.NEW,
    max_bytes=MIB,
    max_msgs_per_subject=-1,
    storage=Storage.FILE,
    replicas=1,
    metadata=METADATA,
    placeholder=names.placeholder_subject(*KEY),
    consumers=(READER,),
)
SEEN = StreamSeen(
    name=PLAN.name,
    subjects=(PLAN.subject,),
    retention="interest",
    discard="new",
    max_bytes=MIB,
    max_msgs_per_subject=-1,
    storage="File",
    replicas=1,
    metadata=METADATA,
    consumer_count=1,
    consumers={READER.durable: ConsumerSeen(READER.durable, 35.0, 1024, "all")},
)
"""`PLAN` as it is once it was made."""
BUCKET = BucketPlan(names.state_bucket("lab", "run"), 5, MIB, Storage.FILE, 1, METADATA)
WITHIN_SECONDS = 30.0


def named(*key: str, **metadata: str) -> StreamPlan:
    """The plan of an output port's stream; ``metadata`` without its prefix, ``_`` for ``-``."""
    given = {
        f"interact.science/{name.replace('_', '-')}": value for name, value in metadata.items()
    }
    about = {"interact.science/namespace": key[0], "interact.science/pipeline": key[1]}
    return dataclasses.replace(
        PLAN,
        name=names.stream(*key),
        subject=f"{names.port_subject(*key)}.*",
        placeholder=names.placeholder_subject(*key),
        metadata={**METADATA, **about, **given},
    )


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[JetStream]:
    """A broker on a server without any streams."""
    async with jetstream.connect(server.url, str(server.token_file), "test") as one:
        await eventually(lambda: one.connected)
        for stream in await one._list():
            await one.remove(stream.name)
        yield one


async def eventually(look: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while not look():  # what is waited for has no event
            await asyncio.to_thread(waiting.pause, 0.01)
