"""Runs on a cluster of the test's own: pods under the controller, on the test node."""

import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from cluster.kube import Kube
from cluster.node import Node
from interact import Batch, _codec, _jetstream, _server, _spec
from interact_api import names
from interact_api.wire import Header
from scenarios.stage import Stage

from chaos import pipeline
from chaos.pipeline import OPERATORS, Setup
from chaos.runs import Run

STORE_BYTES = 1 << 40
PIPELINE = "planted"


class NodeRun(Run):
    """A run as a Pipeline object; the controller starts its pods, and the node starts them again."""

    def __init__(
        self, setup: Setup, folder: Path, stage: Stage, kube: Kube, node: Node, life: ExitStack
    ) -> None:
        super().__init__(setup, folder)
        self._stage, self._kube, self._node, self._life = stage, kube, node, life
        self.broker: _jetstream.JetStream

    async def kill(self, operator: str, *replicas: int) -> None:
        """kill -9 of the processes of as many pods, or of all."""
        pods = self._pods(operator)
        assert len(pods) >= max(1, len(replicas)), f"{operator} has pods {pods}"
        for name in pods[: len(replicas) or None]:
            await self.until(partial(self._runs, name), f"pod {name} runs")
            self._signal(name)
        for replica in [key for key in self.told if key[0] == operator]:
            del self.told[replica]  # of the life that is over

    def _runs(self, pod: str) -> bool:
        with suppress(IndexError):
            return self._node.pod(pod).process is not None
        return False

    def _signal(self, pod: str) -> None:
        process = self._node.pod(pod).process
        if process is not None:
            process.send_signal(signal.SIGKILL)

    async def update(self, operator: str) -> None:
        """Give its pods another annotation, and wait until those with it have taken over."""
        code = self.setup.graph.code[operator]
        said = {"template": {"annotations": {"update": operator}}}
        self._kube.patch("interactoperators", code, {"spec": said})
        name = names.workload(PIPELINE, operator)
        await self.until(lambda: rolled(self._kube.get("deployments", name), operator), "it rolled")

    async def letters(self) -> list[tuple[Header, Batch]]:
        """The dead letters that are kept, in their order."""
        assert self._kube.namespace
        stream = names.dead_letter_stream(self._kube.namespace, PIPELINE)
        state = (await self.broker.context.stream_info(stream)).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        kept = [await self.broker.context.get_msg(stream, number) for number in numbers]
        return [_codec.decode(one.data or b"") for one in kept]

    async def kill_nats(self) -> None:
        """kill -9, and start again with the same files at the same address."""
        server = self._stage.nats
        server.process.kill()
        server.process.wait()
        again = _server.nats_server(server.folder, port=server.port, max_file=STORE_BYTES)
        self._stage.nats = self._life.enter_context(again)

    async def kill_controller(self) -> None:
        """kill -9, and start another."""
        self._stage.controllers[-1].kill()
        self._stage.controller("another")

    def _pods(self, operator: str) -> list[str]:
        found = self._kube.list("pods", labels=f"interact.science/operator={operator}")
        return sorted(one["metadata"]["name"] for one in found)

    def words(self) -> str:
        """The last report and the last lines of each pod."""
        lines = [f"{len(self.sent)} frames sent, {self.done:.0%} of the first scan kept"]
        for operator in self.setup.graph.code:
            for name in self._pods(operator):
                with suppress(IndexError):
                    lines.append(f"{name}:\n{_server.last_words(self._node.pod(name).log)}")
        return "\n".join([*lines, *map(str, self.told.values())])


def rolled(deployment: Mapping[str, Any], update: str) -> bool:
    """Whether all pods of a Deployment are ready, and have the annotation of an update."""
    spec, status = deployment["spec"], deployment.get("status", {})
    wanted = spec["template"]["metadata"].get("annotations", {}).get("update")
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    there = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")}
    return wanted == update and seen and there == {spec["replicas"]}


class OnNode:
    """Plays rows on the test node.

    Args:
        life: Ends what outlives a row: a server that was started again.
    """

    def __init__(
        self,
        folder: Path,
        stage: Stage,
        kube: Kube,
        node: Node,
        life: ExitStack,
    ) -> None:
        self._folder, self._stage, self._kube, self._node = folder, stage, kube, node
        self._life = life

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[NodeRun]:
        """Run the pipeline; everything is under way on entry, and deleted on exit."""
        namespace = self._kube.namespace
        assert namespace
        nats = self._stage.nats
        async with _jetstream.connect(nats.url, name="chaos", token=nats.token) as broker:
            run = NodeRun(setup, self._folder, self._stage, self._kube, self._node, self._life)
            run.broker = broker
            subject = names.status_subject(namespace, PIPELINE, "all")
            await broker.watch(f"{subject.rpartition('.')[0]}.>", run.hear)
            self._stage.controller()
            for name, operator in pipeline.operators().items():
                image = f"chaos/{name}:1"
                code = str(OPERATORS / f"{name}.py")
                self._node.images[image] = [sys.executable, "-m", "interact", code]
                self._kube.apply(_spec.document(operator, image=image))
            self._kube.apply(yaml.safe_dump(pipeline.document(setup, self._folder, PIPELINE)))
            yield run
            self._kube.delete("pipelines", PIPELINE)
