"""The stream plans of a local run, and what they ask of a nats-server."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from interact_api import graph, streams
from interact_api.choices import Storage
from interact_api.config import OperatorConfig
from interact_api.external_places import external
from interact_api.operator import InteractOperator
from interact_api.parameters import Value
from interact_api.pipeline import Pipeline
from interact_api.stream_plan import Plan, PlanSettings

from interact.cli.exits import CommandError, Exit

MIB = 1 << 20
MOST_PORT_BYTES = 256 * MIB
LEAST_PORT_BYTES = 64 * MIB
STORE_MARGIN = 64 * MIB
STATE_BYTES = 256 * MIB


@dataclass(frozen=True)
class LocalPlan:
    """Every pipeline of a run with its plan, by name."""

    installation: str
    namespace: str
    run: str
    pipelines: Mapping[str, Pipeline]
    plans: Mapping[str, Plan]
    operators: Mapping[str, InteractOperator]

    @property
    def configs(self) -> dict[tuple[str, str], OperatorConfig]:
        """What each operator's processes are started with, by (pipeline, operator)."""
        return {
            (name, operator): config
            for name, plan in self.plans.items()
            for operator, config in plan.operators.items()
        }

    @property
    def replicas(self) -> dict[tuple[str, str], int]:
        """How many processes each operator has; of a range, the smallest number."""
        return {
            (name, one.name): one.replicas or (one.scale.min if one.scale else 1)
            for name, pipeline in self.pipelines.items()
            for one in pipeline.spec.operators
        }

    def parameters(self, pipeline: str) -> dict[str, dict[str, Value | None]]:
        """The values of a pipeline's parameters, by operator."""
        return {name: config.parameters for name, config in self.plans[pipeline].operators.items()}

    def store_bytes(self, storage: Storage) -> int:
        """What a server must have room for in one kind of store."""
        sizes = [(one.storage, one.max_bytes) for p in self.plans.values() for one in p.streams]
        sizes += [(p.bucket.storage, p.bucket.max_bytes) for p in self.plans.values()]
        return STORE_MARGIN + sum(size for kept, size in sizes if kept is storage)


def plans(
    pipelines: Sequence[Pipeline],
    operators: Mapping[str, InteractOperator],
    namespace: str,
    *,
    own_server: bool = True,
) -> LocalPlan:
    """Plan a run: streams in memory, sized by this machine, or small on somebody else's server.

    Raises:
        CommandError: If a pipeline cannot run; says every reason of every pipeline.
    """
    run = secrets.token_hex(16)
    ports = sum(len(pipeline.spec.edges) for pipeline in pipelines)
    settings = PlanSettings(
        namespace=namespace,
        installation=f"local-{run[:12]}",
        run=run,
        storage=Storage.MEMORY,
        state_storage=Storage.MEMORY,
        state_bytes=STATE_BYTES,
        max_bytes=port_bytes(ports, _physical_bytes()),
    )
    if not own_server:  # others need room there, too
        settings = replace(
            settings, max_bytes=LEAST_PORT_BYTES, state_bytes=LEAST_PORT_BYTES,
            chunk_bytes=16 * MIB, dead_letter_bytes=32 * MIB, images_bytes=32 * MIB,
        )  # fmt: skip
    found: dict[str, Plan] = {}
    problems: list[str] = []
    for pipeline in pipelines:
        name = pipeline.metadata.name
        problems += [f"Pipeline {name}: {words}" for words in _external(pipeline, operators)]
        try:
            found[name] = streams.plan(pipeline, operators, settings)
        except graph.GraphError as error:
            problems += [f"Pipeline {name}: {one.path}: {one.message}" for one in error.problems]
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    by_name = {pipeline.metadata.name: pipeline for pipeline in pipelines}
    return LocalPlan(settings.installation, namespace, run, by_name, found, operators)


def _external(pipeline: Pipeline, operators: Mapping[str, InteractOperator]) -> Iterator[str]:
    """The external operators of a pipeline: their runs are made by a controller."""
    for number, one in enumerate(pipeline.spec.operators):
        operator = operators.get(one.operator_ref.key)
        if operator is not None and external(operator):
            execution = operator.spec.execution
            yield (
                f"spec.operators[{number}]: {one.name!r} ({operator.metadata.name}, driver "
                f"{execution.driver}) is external, and a local run has no controller to make its "
                "runs; apply the pipeline on a cluster (kubectl apply -f FILE), or use an operator with "
                "execution.mode streaming in its place"
            )


def port_bytes(ports: int, physical: int) -> int:
    """Bytes a port's stream may hold, so that all of them fit in a quarter of the memory."""
    return min(MOST_PORT_BYTES, max(LEAST_PORT_BYTES, physical // 4 // max(ports, 1)))


def _physical_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
