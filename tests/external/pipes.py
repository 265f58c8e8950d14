"""A pipeline with an external operator: relay, source and sink in this process, on real servers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cluster import waiting
from cluster.kube import Object
from external.desk import Desk
from external.rig import Rig
from interact import Scan, Values, _codec, _jetstream, _relaying, _runtime, _spec, operator, source
from interact._batches import Batch
from interact._errors import BrokerError
from interact._operator import Operator
from interact._orders import Action, Order, written
from interact._orders import key as order_key
from interact._server import Server
from interact._tally import Tally
from interact.cli.dlq_letters import Box, Choice
from interact_api import names, streams
from interact_api.choices import Storage
from interact_api.stream_plan import Plan, PlanSettings
from interact_controller import jetstream, observed
from interact_controller import kube as door
from interact_controller.events import Teller
from interact_controller.external.asking import Asking
from interact_controller.external.calls import Tenure
from interact_controller.external.office import Given, Office
from interact_controller.external.shelf import ReleaseShelf
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind
from interact_controller.store import Objects, key_of

MIB = 2**20
WITHIN_SECONDS = 60.0
_NUMBERS = itertools.count(1)
ENERGY = {"name": "energy", "type": "float", "default": "80", "minimum": 0}


@dataclass
class Pipes:
    """A pipeline ``given → fit → collect`` whose ``fit`` is external, and what came of it."""

    rig: Rig
    server: Server
    desk: Desk
    name: str = ""
    arrived: list[Batch] = field(default_factory=list[Batch])
    tally: Tally | None = None

    # -- what is declared

    def declare(
        self, *batches: Batch, most: int = 4, spec: Object | None = None, **said: Any
    ) -> None:
        """Apply the operators and the pipeline; the source gives these messages."""
        self.name = f"flow-{next(_NUMBERS)}"
        kube = self.rig.kube
        self.operators = [_given(batches), _collected(self.arrived)]
        for one in self.operators:
            kube.apply(_spec.manifest(one))
        execution = {"mode": "external", "driver": "http", "system": self.rig.desk,
                     "maxRuns": most, **said}  # fmt: skip
        kube.apply({"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
                    "metadata": {"name": "fit"},
                    "spec": {"image": "example/fit:1", "parameters": [ENERGY],
                             "inputs": [{"name": "part", "type": "any"}],
                             "outputs": [{"name": "out", "type": "values"}],
                             "execution": execution, **(spec or {})}})  # fmt: skip
        placed = [
            {"name": one, "operatorRef": {"name": one}} for one in ("given", "fit", "collect")
        ]
        before = "given" if (spec or {}).get("outputs") == [] else "fit"
        edges = [
            {"from": "given.out", "to": "fit.part"},
            {"from": f"{before}.out", "to": "collect.part"},
        ]
        kube.apply({"apiVersion": "interact.science/v1alpha1", "kind": "Pipeline",
                    "metadata": {"name": self.name},
                    "spec": {"operators": placed, "edges": edges}})  # fmt: skip

    @property
    def uid(self) -> str:
        return str(self.rig.kube.get("pipelines", self.name)["metadata"]["uid"])

    def plan(self) -> Plan:
        """The plan a controller would make."""
        kube = self.rig.kube
        found = observed.pipeline(kube.get("pipelines", self.name))
        known = {one: observed.operator(kube.get("interactoperators", one))
                 for one in ("given", "fit", "collect")}  # fmt: skip
        return streams.plan(found, known, PlanSettings(
            namespace=kube.namespace, installation=self.rig.installation, uid=self.uid,
            run=names.run_nonce(self.uid), storage=Storage.MEMORY, state_storage=Storage.MEMORY,
            max_bytes=MIB, state_bytes=MIB, dead_letter_bytes=MIB, images_bytes=MIB,
        ))  # fmt: skip

    def runs(self) -> list[Object]:
        """The runs of its messages, by index."""
        found = self.rig.kube.list("externalruns", labels=f"interact.science/pipeline={self.name}")
        return sorted(
            found, key=lambda one: int(one["metadata"]["labels"]["interact.science/index"])
        )

    def in_order(self) -> list[Any]:
        """What arrived, by index."""
        return sorted(self.arrived, key=lambda one: one.start)

    def warnings(self) -> tuple[str, ...]:
        """What the relay says that it has to wait for."""
        return self.tally.snapshot().warnings if self.tally is not None else ()

    # -- who works

    @asynccontextmanager
    async def controller(self) -> AsyncIterator["Running"]:
        """A controller's part for runs and their messages."""
        rig = self.rig
        connection = await door.connection({"KUBECONFIG": str(rig.plane.kubeconfig)})
        async with (
            door.door(connection, "pipes", lambda: True) as api,
            jetstream.connect(self.server.url, str(self.server.token_file), "pipes") as line,
        ):
            objects = Objects()
            teller = Teller(api, objects.put, lambda key, uid: None, instance="pipes")
            policy = Policy(installation=rig.installation, namespace=rig.release,
                            watched=frozenset({rig.kube.namespace}))  # fmt: skip

            def wake(key: Key) -> None:
                office.wake(key)

            asking = Asking(teller, objects, line, policy, wake)
            office = Office(Given(
                cluster=teller, objects=objects, shelf=ReleaseShelf(api, rig.release),
                policy=policy, tenure=Tenure(lambda: 60.0, 10.0), makers=rig.makers,
                bounds=rig.bounds, told=asking.told,
            ))  # fmt: skip
            made = Running(self, objects, teller, office)
            await made.hear()
            await office.start()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one.run()) for one in (office, asking)]
                await eventually(lambda: line.connected)
                yield made
                office.stop()
                for task in tasks:
                    task.cancel()

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator["Flow"]:
        """Streams, source and sink; the relay is started apart."""
        plan = self.plan()
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(self.connected())
            for stream in plan.streams:
                await broker.make(stream)
            await broker.make_bucket(plan.bucket)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            flow = Flow(self, plan, group, asyncio.Event())
            for one in reversed(self.operators):
                config = plan.operators[one.name]
                tally = flow.tallies[one.name] = Tally(one.name, 0, one.role, config.run)
                group.create_task(_runtime.serve(one, config, broker, stop=flow.stop, tally=tally))
            yield flow
            flow.stop.set()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[_jetstream.JetStream]:
        """A connection of one process."""
        async with _jetstream.connect(
            self.server.url, name="pipes", token=self.server.token
        ) as broker:
            yield broker


@dataclass
class Running:
    """A controller that runs."""

    pipes: Pipes
    objects: Objects
    lists: Teller
    office: Office

    async def hear(self) -> None:
        """Take in what is there now, as a watch would, and wake all runs, also those that went."""
        gone = set(self.objects.keys(Kind.EXTERNAL_RUN))
        for kind in (Kind.EXTERNAL_RUN, Kind.EXTERNAL_SYSTEM, Kind.OPERATOR, Kind.PIPELINE):
            here = "" if kind is Kind.EXTERNAL_SYSTEM else self.pipes.rig.kube.namespace
            async for page in self.lists.pages(kind, here):
                for one in page:
                    self.objects.put(one)
                    gone.discard(key_of(one))
        for key in gone:
            self.objects.drop(key)
        self.wake(*gone)

    def wake(self, *more: Key) -> None:
        """Look at every run."""
        for key in (*self.objects.keys(Kind.EXTERNAL_RUN), *more):
            self.office.wake(key)


@dataclass
class Flow:
    """A pipeline whose streams are there."""

    pipes: Pipes
    plan: Plan
    group: asyncio.TaskGroup
    stop: asyncio.Event
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])

    @property
    def complete(self) -> bool:
        """Whether the sink knows of every frame what became of it."""
        return self.tallies["collect"].state == "done"

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[asyncio.Task[None]]:
        """The relay, over a connection of its own; it is stopped at the end."""
        config = self.plan.operators["fit"]
        self.pipes.tally = Tally("fit", 0, "classic", config.run)
        stop = asyncio.Event()
        async with self.pipes.connected() as broker:
            task = self.group.create_task(
                _runtime.serve(
                    _relaying.operator(config), config, broker, stop=stop, tally=self.pipes.tally
                )
            )
            try:
                yield task
            finally:
                stop.set()
                await asyncio.wait({task})

    async def asks(self, count: int) -> list[bytes]:
        """So many questions of the relay, from now on."""
        found: list[bytes] = []
        config = self.plan.operators["fit"]
        place = config.namespace, config.pipeline, config.operator

        async def heard(message: Any) -> None:
            found.append(message.data)

        async with self.pipes.connected() as broker:
            await broker.client.subscribe(names.runs_subject(*place), cb=heard)
            await eventually(lambda: len(found) >= count)
        return found[:count]

    async def give_up(self, scan: str) -> None:
        """Order that a scan is skipped."""
        bucket = self.plan.operators["fit"].state_bucket
        async with self.pipes.connected() as broker:
            order = Order(scan, Action.SKIP, facts=Scan(scan, (2, 2)))
            await broker.put(bucket, order_key(scan), written(order))

    async def read(self, name: str) -> bytes:
        """An object, as bucket/name."""
        bucket, _, rest = name.partition("/")
        async with self.pipes.connected() as broker:
            store = await broker.context.object_store(bucket)
            return (await store.get(rest)).data or b""

    async def send_again(self) -> list[str]:
        """Send all dead letters again; why those were refused that were."""
        async with self.pipes.connected() as broker:
            box = Box(broker, self.pipes.rig.kube.namespace, self.pipes.name)
            return [one.refused async for one in box.send_again(await box.chosen(Choice()))]

    async def letters(self) -> list[Batch]:
        """The dead letters."""
        stream = self.plan.operators["fit"].dead_letter_stream
        async with self.pipes.connected() as broker:
            info = await broker.context.stream_info(stream)
            if not info.state.messages:
                return []
            found = [
                await broker.context.get_msg(stream, number)
                for number in range(info.state.first_seq, info.state.last_seq + 1)
            ]
        return [_codec.decode(one.data or b"")[1] for one in found]


async def eventually(look: Callable[[], Any], within: float = WITHIN_SECONDS) -> Any:
    """Look until there is something true; gives it."""
    async with asyncio.timeout(within):
        while not (found := look()):
            await asyncio.to_thread(waiting.pause)
        return found


def parts(count: int, size: int = 2, scan: str = "scan-1", **columns: Any) -> list[Values]:
    """A scan of values: ``count`` messages of ``size`` frames, with a column ``x`` of indices."""
    made = Scan(scan, (count, size))
    return [
        Values(scan=made, start=start, stop=start + size, total=count * size,
               columns={"x": np.arange(start, start + size) * 1.0, **columns})
        for start in range(0, count * size, size)
    ]  # fmt: skip


def _given(batches: tuple[Batch, ...]) -> Operator:
    @source(name="given", outputs={"out": batches[0].kind})
    def given():  # type: ignore[no-untyped-def]  # the kind is the test's
        """The messages of the test."""
        yield from batches

    return given


def _collected(arrived: list[Batch]) -> Operator:
    @operator(name="collect")
    def collect(part: Values) -> None:
        """What the test looks at."""
        arrived.append(part)

    return collect


__all__ = ["BrokerError", "Flow", "Pipes", "Running", "eventually", "parts"]
