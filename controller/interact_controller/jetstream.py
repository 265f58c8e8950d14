"""The one door to NATS: JetStream's API as plain JSON, and what operator processes tell."""

import asyncio
import base64
import binascii
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import nats.errors
from interact_api import names, report
from interact_api.report import Report
from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan
from nats.aio.client import Client
from nats.aio.msg import Msg

from interact_controller import answers, stream_json
from interact_controller.errors import BrokerUnreachable, OverBudget, StreamRefused
from interact_controller.seen import ConsumerSeen, StreamSeen

logger = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 2
ASK_AGAIN_SECONDS: Final = 2.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

Asked = Callable[[str, bytes, str], None]
"""Called with a subject, a question, and where its answer goes."""
Heard = Callable[[str, str, Report], None]
"""Called with namespace, pipeline and report."""


@asynccontextmanager
async def connect(url: str, token_file: str, name: str) -> AsyncIterator["JetStream"]:
    """A connection that is there even while NATS is not: calls fail then, and it tries for ever.

    Args:
        url: For example ``nats://nats:4222``; several with commas.
        token_file: A file with the token it asks for; empty without one.
        name: How the server's monitoring shows this process.
    """
    broker = JetStream(url, token_file, name)
    task = asyncio.ensure_future(broker.keep_connected())
    try:
        yield broker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await _close(broker.client)


class JetStream:
    """The Broker port; see `connect`."""

    def __init__(self, url: str, token_file: str, name: str) -> None:
        self.client = Client()
        self._url = url
        self._token_file = token_file
        self._name = name
        self._words = "it was not reached yet"
        self.saw: dict[tuple[str, str], int] = {}
        self._there, self._surveyed = stream_json.Known(), False
        self._listing = asyncio.Lock()
        self._heard: list[Heard] = []
        self._again: list[Callable[[], None]] = []
        self._served: tuple[str, Asked] = "", _nobody

    @property
    def connected(self) -> bool:
        """Whether a server answers just now."""
        return self.client.is_connected

    def on_report(self, heard: Heard) -> None:
        """Call ``heard`` for each report of an operator process."""
        self._heard.append(heard)

    def on_connected(self, again: Callable[[], None]) -> None:
        """Call ``again`` each time a connection is there (again)."""
        self._again.append(again)

    async def serve(self, subject: str, asked: Asked) -> None:
        """Call ``asked`` for each question at a subject from now on, over each connection."""
        self._served = subject, asked
        with suppress(nats.errors.Error, OSError):
            if self.connected:
                await self.client.subscribe(subject, cb=self._came)

    async def _came(self, message: Msg) -> None:
        self._served[1](message.subject, message.data, message.reply)

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send one message that nobody stores; lost while there is no connection."""
        with suppress(nats.errors.Error, OSError):
            if self.connected:
                await self.client.publish(subject, payload)

    async def keep_connected(self) -> None:
        """Connect whenever there is no connection, for ever.

        nats-py's own reconnecting gives up for good after some errors (a token that expired, for
        example) and sends the old token again, so each connection is a new one.
        """
        while True:
            lost = asyncio.Event()
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    await self._connect(lost)
            except (OSError, nats.errors.Error, TimeoutError, ValueError) as error:
                self._trouble(error)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            else:
                self._tell()
                await lost.wait()
            await _close(self.client)
            self.client = Client()

    async def _connect(self, lost: asyncio.Event) -> None:
        token = await asyncio.to_thread(_token, self._token_file)

        async def on_error(error: Exception) -> None:
            self._trouble(error)

        async def on_closed() -> None:
            lost.set()

        await self.client.connect(
            [one.strip() for one in self._url.split(",")], name=self._name, token=token,
            error_cb=on_error, closed_cb=on_closed, allow_reconnect=False, ping_interval=10,
            connect_timeout=CONNECT_SECONDS,
        )  # fmt: skip
        await self.client.subscribe(names.status_subject("*", "*", "*") + ".*", cb=self._hear)
        if self._served[0]:
            await self.client.subscribe(self._served[0], cb=self._came)
        await self.client.flush()

    def _trouble(self, error: Exception) -> None:
        """Keep why there is no connection; say it once."""
        words = str(error) or type(error).__name__
        if words != self._words:
            logger.warning("NATS is not reached", extra={"url": self._url, "error": words})
        self._words = words

    def _tell(self) -> None:
        self._surveyed = False  # the server may be another, or have lost its streams
        for again in self._again:
            again()

    async def _hear(self, message: Msg) -> None:
        parts = message.subject.split(".")
        with suppress(msgspec.MsgspecError):  # somebody else's words
            told = report.decode(message.data)
            for heard in self._heard:
                heard(parts[1], parts[2], told)

    # -- looking ------------------------------------------------------------------------------

    async def streams(self, installation: str) -> Sequence[StreamSeen]:
        """All streams of an installation, buckets too, without their consumers.

        Raises:
            BrokerUnreachable: If no server answers in time.
        """
        async with self._listing:
            found = await self._survey()
        return [one for one in found if one.metadata.get(stream_json.INSTALLATION) == installation]

    async def of_pipeline(self, namespace: str, pipeline: str) -> Sequence[StreamSeen]:
        """The streams of a pipeline's name with their consumers, whoever made them.

        Which there are is known from the last listing and from what was made since: a listing by
        subject costs the server a look at every stream it has, and a new pipeline has none.

        Raises:
            BrokerUnreachable: If no server answers in time.
        """
        letters = names.dead_letter_stream(namespace, pipeline)
        there = await self._known()
        others = {*names.lonely_streams(namespace, pipeline), *there.of(namespace, pipeline)}
        listed = there.names & others
        asked = [self._plain(letters, {"subjects_filter": ">"})] if letters in there.names else []
        found = await asyncio.gather(*asked, *(self.stream(one) for one in sorted(listed)))
        live = [one for one in found if one is not None]
        self.saw[namespace, pipeline] = stream_json.signature(live)
        return live

    async def _known(self) -> stream_json.Known:
        async with self._listing:
            if not self._surveyed:
                await self._survey()
            return self._there

    async def _survey(self) -> list[StreamSeen]:
        self._there.begin()
        found = await self._list()
        self._there.listed(found)
        self._surveyed = True
        return found

    async def stream(self, name: str) -> StreamSeen | None:
        """One stream with its consumers.

        Raises:
            BrokerUnreachable: If no server answers in time.
        """
        found = await self._plain(name)
        return await self._with_consumers(found) if found is not None else None

    async def _plain(self, name: str, asked: Mapping[str, Any] | None = None) -> StreamSeen | None:
        answer = await self._call(f"STREAM.INFO.{name}", asked, nothing=answers.NOT_FOUND)
        return stream_json.stream(answer) if answer else None

    async def _list(self) -> list[StreamSeen]:
        return [one async for page in self._pages("STREAM.LIST") for one in page.all_streams()]

    async def _with_consumers(self, one: StreamSeen) -> StreamSeen:
        consumers: dict[str, ConsumerSeen] = {}
        ports = any(stream_json.place(subject) for subject in one.subjects)
        if one.consumer_count and ports:  # others have passing readers only
            pages = self._pages(f"CONSUMER.LIST.{one.name}")
            consumers = {seen.durable: seen async for page in pages for seen in page.durables()}
        return dataclasses.replace(one, consumers=consumers)

    def _pages(self, what: str) -> AsyncIterator[stream_json.Page]:
        return answers.pages(lambda asked: self._answer(f"$JS.API.{what}", asked), what)

    # -- changing -----------------------------------------------------------------------------

    async def make(self, plan: StreamPlan) -> None:
        """Make a stream: on its placeholder, its consumers, then its subject; finish half-made ones.

        Raises:
            OverBudget: If the server's store has no room.
            StreamRefused: With the server's words.
        """
        first = plan.placeholder or plan.subject
        live = await self._create(plan, stream_json.config(plan, first))
        if live is not None and not stream_json.same_owner(live.metadata, plan.metadata):
            raise StreamRefused(f"stream {plan.name!r} is there and another's; give the pipeline another name")  # fmt: skip
        there = dict(live.consumers or {}) if live else {}
        for consumer in plan.consumers:
            if consumer.durable not in there:
                await self.make_consumer(plan.name, consumer, filtered=plan.subject)
        if (live.subjects if live else (first,)) != (plan.subject,):
            await self.update(plan)

    async def _create(self, plan: StreamPlan, config: dict[str, Any]) -> StreamSeen | None:
        """Make a stream unless there is one, which is given then."""
        live = await self.stream(plan.name) if plan.name in self._there.names else None
        if live is None and not await self._change(plan, "CREATE", config, nothing=answers.TAKEN):
            live = await self.stream(plan.name)
        self._there.made(plan.name, plan.subject)
        return live

    async def update(self, plan: StreamPlan) -> None:
        """Change what can be changed of a stream: subjects, sizes, replicas, metadata.

        Raises:
            OverBudget, StreamRefused: As `make`.
        """
        await self._change(plan, "UPDATE", stream_json.config(plan, plan.subject))

    async def make_consumer(self, stream: str, plan: ConsumerPlan, *, filtered: str = "") -> None:
        """Make or update one durable consumer.

        Raises:
            StreamRefused: With the server's words.
        """
        asked = {"stream_name": stream, "config": stream_json.consumer_config(plan, filtered)}
        await self._call(f"CONSUMER.DURABLE.CREATE.{stream}.{plan.durable}", asked)

    async def remove_consumer(self, stream: str, durable: str) -> None:
        """Delete one; gone already is fine."""
        await self._call(f"CONSUMER.DELETE.{stream}.{durable}", nothing=answers.NOT_FOUND)

    async def remove(self, stream: str) -> None:
        """Delete one stream; gone already is fine."""
        await self._call(f"STREAM.DELETE.{stream}", nothing=answers.NOT_FOUND)

    async def make_bucket(self, plan: BucketPlan) -> None:
        """Make the state bucket of a pipeline, or update its sizes.

        Raises:
            OverBudget, StreamRefused: As `make`.
        """
        config, name = stream_json.bucket(plan), f"KV_{plan.name}"
        live = await self._plain(name) if name in self._there.names else None
        if live or not await self._change(plan, "CREATE", config, nothing=answers.TAKEN):
            await self._change(plan, "UPDATE", config)
        self._there.made(name, "")

    async def _change(
        self,
        plan: StreamPlan | BucketPlan,
        verb: str,
        config: dict[str, Any],
        nothing: frozenset[int] = frozenset(),
    ) -> bool:
        """Whether it was done; not if the server says one of these codes."""
        try:
            asked = f"STREAM.{verb}.{config['name']}"
            return await self._call(asked, config, nothing=nothing) is not None
        except OverBudget as error:
            raise OverBudget(
                f"no room for {config['name']!r} ({plan.max_bytes:,} bytes, {plan.storage}): {error}; "
                "lower maxBytes of its port, delete pipelines, or give NATS more store"
            ) from error

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value."""
        asked = {"last_by_subj": f"$KV.{bucket}.{key}"}
        answer = await self._call(f"STREAM.MSG.GET.KV_{bucket}", asked, nothing=answers.NOT_FOUND)
        message = (answer or {}).get("message")
        if not message or message.get("hdrs"):  # only removals carry headers
            return None
        try:
            return base64.b64decode(message.get("data", ""))
        except binascii.Error:
            return None

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key."""
        stored = await self._request(f"$KV.{bucket}.{key}", value)
        answers.refuse(stored, f"key {key} of {bucket}")

    # -- the wire -----------------------------------------------------------------------------

    async def _call(
        self,
        what: str,
        asked: Mapping[str, Any] | None = None,
        *,
        nothing: frozenset[int] = frozenset(),
    ) -> dict[str, Any] | None:
        """Ask JetStream's API; None for an answer with one of these codes."""
        answer = await self._request(f"$JS.API.{what}", _encode(asked) if asked else b"")
        if int((answer.get("error") or {}).get("err_code", 0)) in nothing:
            return None
        answers.refuse(answer, what)
        return answer

    async def ask(self, subject: str, payload: bytes, seconds: float) -> bytes | None:
        """The answer to a question; None if nobody listens at the subject.

        Raises:
            BrokerUnreachable: If no answer comes in time.
        """
        if not self.client.is_connected:
            raise self._unreachable()
        try:
            return (await self.client.request(subject, payload, timeout=seconds)).data
        except nats.errors.NoRespondersError:
            return None
        except (nats.errors.Error, OSError, TimeoutError) as error:
            self._words = str(error) or "no answer in time"
            raise self._unreachable() from error

    async def _request(self, subject: str, payload: bytes) -> dict[str, Any]:
        answer = _decode(await self._answer(subject, payload))
        return answer if isinstance(answer, dict) else {}

    async def _answer(self, subject: str, payload: bytes) -> bytes:
        found = await self.ask(subject, payload, REQUEST_SECONDS)
        if found is None:
            words = f"NATS at {self._url} answers without JetStream; start nats-server with -js"
            raise BrokerUnreachable(words)
        return found

    def _unreachable(self) -> BrokerUnreachable:
        return BrokerUnreachable(
            f"NATS at {self._url} does not answer ({self._words}); is it running, and is the "
            "controller allowed to reach it?"
        )


async def _close(client: Client) -> None:
    """Close a connection, whatever state it is in."""
    with suppress(Exception):  # nothing to do about one that cannot be closed
        await asyncio.wait_for(client.close(), REQUEST_SECONDS)


def _token(path: str) -> str | None:
    return Path(path).read_text(encoding="utf-8").strip() if path else None


def _nobody(subject: str, payload: bytes, answer_to: str) -> None:
    """Nobody answers."""
