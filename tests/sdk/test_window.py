"""Publishing and pulling within bounds: full streams, full servers, lost connections, full disks."""

import asyncio
from contextlib import asynccontextmanager, suppress

import nats.js.errors
import pytest
from interact._jetstream import connect
from interact._jetstream._refusal import Refusal, refusal
from interact._server import nats_server
from interact._settings import PORT_WINDOW_BYTES, Settings
from interact_api.choices import Storage
from interact_api.stream_plan import ConsumerPlan, DeliverPolicy, Retention, StreamPlan
from sdk.looking import pause
from sdk.relay import Relay

pytestmark = pytest.mark.nats

KIB, MIB = 1 << 10, 1 << 20
PATIENCE = 60.0


def edge(name, *, max_bytes=4 * MIB, storage=Storage.MEMORY):
    return StreamPlan(
        name, f"{name}.out.*", max_bytes, storage, replicas=1, metadata={},
        retention=Retention.INTEREST, placeholder=f"placeholder.{name}",
        consumers=(ConsumerPlan("reader", 30.0, 1024, DeliverPolicy.ALL),),
    )  # fmt: skip


@asynccontextmanager
async def connected(server, name, *, url="", **options):
    async with connect(url or server.url, name=name, token=server.token, **options) as broker:
        yield broker


class Sink:
    """Takes every message of a stream, once it is opened, and keeps what it holds."""

    def __init__(self, broker, stream):
        self.payloads = []
        self.opened = asyncio.Event()
        self._broker, self._stream = broker, stream
        self._wake = asyncio.Event()

    async def take(self, count):
        await self.opened.wait()
        async with (
            asyncio.timeout(PATIENCE),
            self._broker.consume(self._stream, "reader", wake=self._wake.set) as inlet,
        ):
            while len(self.payloads) < count:
                self._wake.clear()
                while (held := await inlet.take()) is not None:
                    self.payloads.append(held.payload)
                    await held.ack()
                if len(self.payloads) < count:
                    await self._wake.wait()
            await self._broker.client.flush()


def numbered(number, size=64 * KIB):
    return number.to_bytes(4) * (size // 4)


async def bytes_of(broker, stream):
    return (await broker.context.stream_info(stream)).state.bytes


async def test_a_full_stream_stops_its_producer_and_nothing_is_lost(server):
    plan, count = edge("slow"), 400
    accepted, most = 0, 0

    async def produce(broker):
        nonlocal accepted
        for number in range(count):
            await broker.publish("slow.out.s", numbered(number), identity=str(number))
            accepted += 1
        await broker.flush()

    async with connected(server, "slow", window_bytes=MIB) as broker:
        await broker.make(plan)
        sink = Sink(broker, plan.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(broker))
            group.create_task(sink.take(count))
            async with asyncio.timeout(PATIENCE):
                while not broker.refused("slow.out.s"):  # a server is looked at
                    await pause(0.001)
            stopped_at = accepted
            for _ in range(20):
                most = max(most, await bytes_of(broker, plan.name))
                await pause(0.01)  # time in which a producer that does not wait would go on
            went_on = accepted - stopped_at
            told = broker.blocked_seconds
            sink.opened.set()
        await broker.context.delete_stream(plan.name)

    assert most <= plan.max_bytes
    assert went_on <= 1, "nothing is accepted once a stream has refused"
    assert stopped_at <= plan.max_bytes // (64 * KIB) + MIB // (64 * KIB) + 1
    assert sorted(int.from_bytes(payload[:4]) for payload in sink.payloads) == list(range(count))
    assert told > 0.1, "the wait shows before it is over"
    assert broker.blocked_seconds > told


async def test_one_message_larger_than_the_windows_passes(server):
    plan = edge("big", max_bytes=16 * MIB)

    async with connected(server, "big", window_bytes=KIB) as broker:
        await broker.make(plan)
        for number in range(3):
            await broker.publish("big.out.s", numbered(number, 2 * MIB), identity=str(number))
        wake = asyncio.Event()
        sizes = []
        async with (
            asyncio.timeout(PATIENCE),
            broker.consume(plan.name, "reader", wake=wake.set, max_bytes=KIB) as inlet,
        ):
            while len(sizes) < 3:
                wake.clear()
                held = await inlet.take()
                if held is None:
                    await wake.wait()
                    continue
                inlet.pace(0.001)
                assert len(inlet.ahead) <= 2
                sizes.append(len(held.payload))
                await held.ack()
        await broker.context.delete_stream(plan.name)

    assert sizes == [2 * MIB] * 3


async def filled(broker, subject):
    """Each message is waited for: a server may store it well after a flush has come back."""
    with suppress(nats.js.errors.APIError):
        while True:
            await broker.context.publish(subject, bytes(512 * KIB))


async def test_a_server_without_room_is_waited_for_and_told_of(caplog):
    """Another stream has taken the memory that was promised to nobody."""
    with nats_server(max_memory=16 * MIB) as server:
        async with connected(server, "room") as broker:
            plan = edge("room", max_bytes=8 * MIB)
            await broker.make(plan)
            await broker.context.add_stream(
                name="greedy", subjects=["greedy"], storage="memory", max_bytes=-1
            )
            await filled(broker, "greedy")
            stored = asyncio.Event()

            async def done():
                stored.set()

            await broker.publish("room.out.s", bytes(MIB), identity="one", stored=done)
            async with asyncio.timeout(PATIENCE):
                while "no room left" not in caplog.text:  # a log is looked at
                    await pause(0.01)
            assert not stored.is_set()
            await broker.context.delete_stream("greedy")
            async with asyncio.timeout(PATIENCE):
                await stored.wait()
            state = (await broker.context.stream_info(plan.name)).state

    assert state.messages == 1
    assert "give it more store, or remove streams; the producer waits" in caplog.text


class Answer:
    """What the server says to a publish."""

    def __init__(self, data, headers=None):
        self.data, self.headers = data, headers


def refused(code, text):
    return Answer(f'{{"error":{{"code":400,"err_code":{code},"description":"{text}"}}}}'.encode())


@pytest.mark.parametrize(
    ("answer", "full", "busy", "words"),
    [
        pytest.param(refused(10077, "maximum bytes exceeded"), True, False, "", id="full"),
        pytest.param(refused(10167, "too many requests"), False, True, "", id="too fast"),
        pytest.param(
            refused(10047, "insufficient storage"), False, False, "more store", id="store"
        ),
        pytest.param(refused(10023, "insufficient"), False, False, "more store", id="resources"),
        pytest.param(refused(10002, "resource limits"), False, False, "more store", id="account"),
        pytest.param(refused(10077, "no space left on device"), False, False, "restart", id="disk"),
        pytest.param(Answer(b"", {"Status": "503"}), False, False, "not there", id="no stream"),
    ],
)
def test_a_refusal_says_what_to_do(answer, full, busy, words):
    found = refusal(answer)

    assert (found.full, found.busy) == (full, busy)
    assert (words in found.advice) if words else not found.advice


def test_an_answer_that_is_no_refusal_is_none():
    assert refusal(Answer(b'{"stream":"s", "seq":4}')) is None
    assert Refusal(10077, "x").advice


@pytest.mark.parametrize(
    ("replicas", "window"),
    [
        pytest.param(1, 16 * MIB, id="one replica has a window of its own"),
        pytest.param(4, 16 * MIB, id="four share the bound"),
        pytest.param(8, 8 * MIB, id="eight share it, too"),
        pytest.param(128, 512 * KIB, id="and a hundred"),
    ],
)
def test_all_replicas_of_a_port_share_one_window(replicas, window):
    class Config:
        """As much of a configuration as a window needs."""

    Config.replicas = replicas

    found = Settings(Config, "", None, 0).window_bytes

    assert found == window
    assert found * replicas <= PORT_WINDOW_BYTES or replicas == 1


async def test_a_connection_that_is_cut_again_and_again_loses_nothing(server):
    plan, count = edge("cut", max_bytes=64 * MIB), 600

    async with connected(server, "watch") as direct, Relay(server.port) as relay:
        await direct.make(plan)
        async with connected(server, "cut", url=relay.url, window_bytes=MIB) as broker:

            async def produce():
                for number in range(count):
                    await broker.publish(
                        "cut.out.s", numbered(number, 16 * KIB), identity=str(number)
                    )
                await broker.flush()

            async with asyncio.TaskGroup() as group:
                producing = group.create_task(produce())
                for bytes_more in (2 * MIB, MIB, 3 * MIB):
                    await relay.passed(bytes_more, PATIENCE)
                    relay.cut()
                async with asyncio.timeout(PATIENCE):
                    await producing
        sink = Sink(direct, plan.name)
        sink.opened.set()
        await sink.take(count)
        left = await direct.context.stream_info(plan.name)
        await direct.context.delete_stream(plan.name)

    assert relay.cuts >= 3
    assert sorted(int.from_bytes(payload[:4]) for payload in sink.payloads) == list(range(count))
    assert left.state.last_seq == count, "what was sent again was known by its identity"


async def test_a_silent_connection_is_made_anew(server):
    """Nothing says that a cable was pulled: only the missing answers to pings."""
    plan = edge("silent")

    async with connected(server, "watch") as direct, Relay(server.port) as relay:
        await direct.make(plan)
        async with connected(server, "silent", url=relay.url, ping_seconds=1) as broker:
            await broker.publish("silent.out.s", numbered(0), identity="0")
            await broker.flush()
            relay.swallow()
            await broker.publish("silent.out.s", numbered(1), identity="1")
            async with asyncio.timeout(PATIENCE):
                await broker.flush()
        state = (await direct.context.stream_info(plan.name)).state
        await direct.context.delete_stream(plan.name)

    assert relay.connections >= 2
    assert state.messages == 2
