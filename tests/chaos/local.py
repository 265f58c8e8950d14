"""Runs on this machine: operator processes over a nats-server that keeps its files."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path

from cluster import forked
from cluster.forked import Forked
from cluster.processes import Address
from interact import Batch, Image, _codec, _jetstream, _server
from interact._live_values import KEY, written
from interact.cli.dlq_letters import Box, Choice
from interact_api.stream_plan import Plan
from interact_api.wire import Header

from chaos import pipeline
from chaos.pipeline import OPERATORS, Setup
from chaos.relay import Relay
from chaos.runs import PATIENCE, Picture, Replica, Run

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MOST_DEATHS = 20
"""Deaths nobody ordered in one run; more is a process that cannot start at all."""


class Nats:
    """A nats-server that can be killed, and comes back at the same address with its files."""

    def __init__(self, folder: Path, max_memory: int = _server.MAX_MEMORY) -> None:
        self._folder, self._max_memory = folder, max_memory
        self._address = Address()
        self._stack = ExitStack()
        self.server = self._stack.enter_context(
            _server.nats_server(folder, host=self._address.host, max_memory=max_memory)
        )

    @classmethod
    @contextmanager
    def shared(cls, folder: Path, max_memory: int = _server.MAX_MEMORY) -> Iterator["Nats"]:
        """One for several runs, or one with limits."""
        one = cls(folder, max_memory)
        try:
            yield one
        finally:
            one.close()

    def kill(self) -> None:
        """kill -9."""
        self.server.process.kill()
        self.server.process.wait()
        self._stack.close()

    def start(self) -> None:
        """Start it again."""
        port = self.server.port
        self.server = self._stack.enter_context(
            _server.nats_server(
                self._folder, host=self._address.host, port=port, max_memory=self._max_memory
            )
        )

    def freeze(self) -> None:
        """SIGSTOP."""
        self.server.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.server.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        self._stack.close()
        self._address.close()


class LocalRun(Run):
    """A run whose processes are started, killed and started again here.

    Attributes:
        namespace: Where it is.
        nats: Its server.
        plan: Its streams and settings.
        broker: A connection of the test's own.
        relays: What lies between a replica and the server, where a row asks for it.
    """

    def __init__(self, setup: Setup, folder: Path, nats: Nats, plan: Plan, namespace: str) -> None:
        super().__init__(setup, folder)
        self.namespace = namespace
        self.nats = nats
        self.plan = plan
        self.broker: _jetstream.JetStream
        self.relays: dict[Replica, Relay] = {}
        self.processes: dict[Replica, Forked] = {}
        self.deaths: list[Replica] = []
        self._revision = 1

    def start(self, operator: str, replica: int = 0) -> None:
        """Start one replica."""
        relay = self.relays.get((operator, replica))
        url = relay.url if relay is not None else self.nats.server.url
        environment = {
            **os.environ,
            "INTERACT_CONFIG": str(self.folder / f"{operator}.json"),
            "INTERACT_REPLICA": str(replica),
            "INTERACT_NATS_URL": url,
            "INTERACT_NATS_TOKEN_FILE": str(self.nats.server.token_file),
            "INTERACT_PATIENCE_SECONDS": str(PATIENCE),
        }
        log = self.folder / f"{operator}.{replica}.log"
        code = str(OPERATORS / f"{self.setup.graph.code[operator]}.py")
        command = [sys.executable, "-m", "interact", code]
        self.processes[operator, replica] = forked.start(command, log, environment)

    def start_all(self) -> None:
        """Start every replica, the source last."""
        for operator, code in reversed([*self.setup.graph.code.items()]):
            for replica in range(self.setup.replicas if code == "sums" else 1):
                self.start(operator, replica)

    def replicas(self, operator: str) -> list[int]:
        """The numbers of an operator's replicas."""
        return [number for name, number in self.processes if name == operator]

    def end(self, operator: str, *replicas: int) -> None:
        """kill -9, and nobody starts it again."""
        for replica in replicas or self.replicas(operator):
            self.processes.pop((operator, replica)).kill()
            self.told.pop((operator, replica), None)

    async def kill(self, operator: str, *replicas: int) -> None:
        """kill -9, and start again."""
        killed = replicas or tuple(self.replicas(operator))
        self.end(operator, *killed)
        for replica in killed:
            self.start(operator, replica)

    async def stop(self, *replicas: Replica) -> None:
        """SIGTERM to all of these at once, and wait for their clean ends; nobody starts them again."""
        begun = set(replicas)  # a process that has just begun is ended by the signal itself
        await self.until(lambda: begun <= self.told.keys(), f"{sorted(begun)} have begun")
        ending = [(one, self.processes.pop(one)) for one in replicas]
        for _, process in ending:
            process.terminate()
        for one, process in ending:
            await asyncio.to_thread(process.wait, PATIENCE)
            assert process.returncode == 0, f"{one} ended with {process.returncode}\n{self.words()}"
            self.told.pop(one, None)

    async def roll(self, operator: str, replica: int = 0) -> None:
        """SIGTERM, wait for a clean end, start again."""
        await self.stop((operator, replica))
        self.start(operator, replica)

    async def update(self, operator: str) -> None:
        """SIGTERM, wait for a clean end, start again: one replica after the other."""
        for replica in self.replicas(operator):
            await self.roll(operator, replica)

    async def kill_nats(self) -> None:
        """kill -9, and start again with the same files at the same address."""
        self.nats.kill()
        self.nats.start()

    def signal(self, number: int, operator: str, replica: int = 0) -> None:
        """Send a signal to a replica."""
        self.processes[operator, replica].send_signal(number)

    async def look_after(self) -> None:
        """Start again whoever ended by himself, as a kubelet does."""
        for (operator, replica), process in [*self.processes.items()]:
            if process.poll() is not None:
                self.deaths.append((operator, replica))
                assert len(self.deaths) <= MOST_DEATHS, f"they die all the time\n{self.words()}"
                self.told.pop((operator, replica), None)
                self.start(operator, replica)

    async def letters(self) -> list[tuple[Header, Batch]]:
        """The dead letters that are kept, in their order."""
        return [_codec.decode(raw) for raw in await self.raw_letters()]

    async def raw_letters(self) -> list[bytes]:
        """The same as they are stored."""
        name = next(iter(self.plan.operators.values())).dead_letter_stream
        state = (await self.broker.context.stream_info(name)).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        kept = [await self.broker.context.get_msg(name, number) for number in numbers]
        return [one.data or b"" for one in kept]

    async def stored(self) -> dict[str, int]:
        """Bytes in the stream of each output port."""
        names = {
            output.stream for config in self.plan.operators.values() for output in config.outputs
        }
        return {
            name: (await self.broker.context.stream_info(name)).state.bytes
            for name in sorted(names)
        }

    def memory(self) -> dict[Replica, int]:
        """Bytes each process has in memory."""
        return {
            one: int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * PAGE_BYTES
            for one, process in self.processes.items()
        }

    async def position(self) -> int:
        """Frames of the first scan that are stored for good, as the source knows."""
        raw = await self.broker.get(self.plan.bucket.name, "source.frames")
        found: dict[str, int] = json.loads(raw or b'{"scan": 0, "index": 0}')
        return found["index"] if found["scan"] == 0 else self.setup.total

    async def set(self, operator: str, **values: object) -> int:
        """Write a new revision of an operator's parameters, as a controller does."""
        self._revision += 1
        bucket = self.plan.bucket.name
        known = written_values(await self.broker.get(bucket, KEY) or b"{}")
        known[operator] = {
            "revision": self._revision,
            "values": {**known[operator]["values"], **values},  # type: ignore[dict-item]
        }
        await self.broker.put(bucket, KEY, json.dumps(known).encode())
        return self._revision

    async def in_effect(self, operator: str, revision: int) -> None:
        """Wait until every replica of an operator uses a revision of the parameters."""

        def told() -> bool:
            replicas = [self.tells(operator, number) for number in self.replicas(operator)]
            return all(one is not None and one.revision == revision for one in replicas)

        await self.until(told, f"revision {revision} is in effect at every replica of {operator}")

    async def set_and_heard(self, operator: str, **values: object) -> None:
        """Write new parameters, and wait until they are in effect."""
        await self.in_effect(operator, await self.set(operator, **values))

    async def redrive(self) -> list[str]:
        """Send all dead letters again; for each, why it could not be, or nothing."""
        box = Box(self.broker, self.namespace, pipeline.NAME)
        letters = await box.chosen(Choice())
        return [one.refused async for one in box.send_again(letters)]

    async def shown(self, display: str, operator: str) -> Picture:
        """The picture a display keeps for people of an operator's result."""
        config = self.plan.operators[display]
        subject = f"{config.images_subject}.{operator}"
        raw = (await self.broker.context.get_last_msg(config.images_stream, subject)).data
        _, picture = _codec.decode(raw or b"")
        assert isinstance(picture, Image)
        facts = {"final": picture.final, "missing": picture.missing, **picture.attributes}
        return dict(picture.channels), facts

    def words(self) -> str:
        """The last report and the last lines of each process."""
        lines = [f"{len(self.sent)} frames sent, {self.done:.0%} of the first scan kept"]
        for name, replica in self.processes:
            log = _server.last_words(self.folder / f"{name}.{replica}.log")
            lines.append(f"{name}/{replica}: {self.tells(name, replica)}\n{log}")
        return "\n".join(lines)

    def close(self) -> None:
        """End every process."""
        for process in self.processes.values():
            process.kill()


def written_values(raw: bytes) -> dict[str, dict[str, object]]:
    """The document of parameters, to be changed."""
    found: dict[str, dict[str, object]] = json.loads(raw)
    return found


@asynccontextmanager
async def running(
    setup: Setup,
    folder: Path,
    *,
    nats: Nats | None = None,
    namespace: str = pipeline.NAMESPACE,
    relayed: Sequence[Replica] = (),
) -> AsyncIterator[LocalRun]:
    """Run the pipeline; everything is under way on entry, and gone on exit.

    Args:
        setup: How.
        folder: For what it writes.
        nats: A server to share; one of its own when left out.
        namespace: Of the pipeline.
        relayed: Replicas whose way to the server is to be cut.
    """
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  # nobody else waits
    with ExitStack() as stack:
        if nats is None:
            nats = Nats(folder / "nats")
            stack.callback(nats.close)
        plan = pipeline.planned(setup, folder, namespace=namespace)
        run = LocalRun(setup, folder, nats, plan, namespace)
        for operator, config in plan.operators.items():
            changed = {"revision": 0, "kernel_timeout_seconds": setup.kernel_timeout}
            told = config.model_copy(update=changed)  # the bucket has the parameters
            (folder / f"{operator}.json").write_text(told.model_dump_json(by_alias=True))
        async with AsyncExitStack() as connections:
            run.broker = await connections.enter_async_context(
                _jetstream.connect(nats.server.url, name="chaos", token=nats.server.token)
            )
            for stream in plan.streams:
                await run.broker.make(stream)
            await run.broker.make_bucket(plan.bucket)
            values = {name: config.parameters for name, config in plan.operators.items()}
            await run.broker.put(plan.bucket.name, KEY, written(values, 1))
            subject = next(iter(plan.operators.values())).status_subject
            await run.broker.watch(f"{subject.rpartition('.')[0]}.>", run.hear)
            for replica in relayed:
                run.relays[replica] = await connections.enter_async_context(
                    Relay(nats.server).serving()
                )
            try:
                run.start_all()
                yield run
            finally:
                run.close()


class Local:
    """Plays rows in a folder of their own.

    Args:
        folder: It.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, name: str) -> Path:
        """A folder beside those of runs."""
        return self._folder / name

    def running(
        self,
        setup: Setup,
        name: str = "run",
        *,
        nats: Nats | None = None,
        namespace: str = pipeline.NAMESPACE,
        relayed: Sequence[Replica] = (),
    ) -> AbstractAsyncContextManager[LocalRun]:
        """Run the pipeline in a folder of that name; see `running`."""
        folder = self._folder / name
        return running(setup, folder, nats=nats, namespace=namespace, relayed=relayed)
