"""The stream plan: which streams, consumers and process settings a pipeline needs. Pure.

Make things in this order: a stream on its placeholder subject, its consumers, then its subject.
An Interest stream without consumers acknowledges a message and drops it.
"""

from typing import Final

from interact_api import graph, names, topology
from interact_api.choices import Guarantee, Join, OnFull, Role, Storage
from interact_api.config import ChunksConfig, InputConfig, OperatorConfig, OutputConfig
from interact_api.external_asks import MOST_RUNS
from interact_api.external_places import external
from interact_api.operator import InteractOperator, types
from interact_api.parameters import Value, coerce, default_value
from interact_api.pipeline import Pipeline, PipelineOperator
from interact_api.quantities import byte_count, seconds
from interact_api.stream_plan import (
    MAX_ACK_PENDING_HELD,
    BucketPlan,
    ConsumerPlan,
    DeliverPolicy,
    Discard,
    Plan,
    PlanSettings,
    Retention,
    StreamPlan,
)
from interact_api.topology import Connection, Operators

__all__ = ["plan", "planned", "values"]

ACK_MARGIN_SECONDS: Final = 5.0
"""Added to the kernel's timeout: time to send outputs and have them acknowledged."""
LETTERS: Final = ("_dead", "letters")
PICTURES: Final = ("_images", "pictures")
"""In the place of operator and port for their chunks; no operator is called so."""
LEDGER_BYTES: Final = 2**20
"""For the list of what is reserved of a port's chunks; an entry takes a hundred bytes."""
MAX_ACK_PENDING: Final = 1024
"""Messages in flight over all replicas; the server's default is 1000."""


def plan(pipeline: Pipeline, operators: Operators, settings: PlanSettings) -> Plan:
    """The streams, consumers and process settings of a pipeline.

    Args:
        pipeline: The pipeline.
        operators: The InteractOperators, by the name its operatorRefs give.
        settings: What the pipeline does not say.

    Raises:
        GraphError: If the pipeline cannot run; holds every problem.
    """
    found = graph.problems(pipeline, operators)
    if found:
        raise graph.GraphError(found)
    return planned(pipeline, operators, settings)


def planned(pipeline: Pipeline, operators: Operators, settings: PlanSettings) -> Plan:
    """The plan of a pipeline that was found to have no problem."""
    planner = _Planner(pipeline, operators, settings)
    return Plan(
        (
            *planner.port_streams(),
            *planner.chunks(),
            *planner.messages(),
            planner.dead_letters(),
            planner.images(),
        ),
        planner.bucket(),
        {one.name: planner.config(one) for one in pipeline.spec.operators},
    )


class _Planner:
    """The inputs of a plan, with what several of its parts look up."""

    def __init__(self, pipeline: Pipeline, operators: Operators, settings: PlanSettings) -> None:
        self._spec = pipeline.spec
        self._operators = operators
        self._settings = settings
        self._key = (settings.namespace, pipeline.metadata.name)
        self._edges = topology.connections(pipeline, operators)
        self._lanes = topology.lanes(pipeline, self._edges)
        self._reduced = topology.reduced(pipeline, self._edges, operators)
        self._metadata = {
            "interact.science/installation": settings.installation,
            "interact.science/namespace": settings.namespace,
            "interact.science/pipeline": pipeline.metadata.name,
            "interact.science/pipeline-uid": settings.uid,
        }

    def _declared(self, one: PipelineOperator) -> InteractOperator:
        return self._operators[one.operator_ref.key]

    def _readers(self, operator: str, port: str) -> list[Connection]:
        return [one for one in self._edges if one.edge.source == f"{operator}.{port}"]

    def port_streams(self) -> list[StreamPlan]:
        """One stream for each output port with an edge."""
        return [
            self._port_stream(self._readers(one.source.name, one.output.name))
            for one in self._ports()
        ]

    def _ports(self) -> list[Connection]:
        """The first edge of each output port that has any."""
        return [
            readers[0]
            for operator in self._spec.operators
            for port in self._declared(operator).spec.outputs
            if (readers := self._readers(operator.name, port.name))
        ]

    def _port_stream(self, readers: list[Connection]) -> StreamPlan:
        source, output = readers[0].source, readers[0].output
        storage, replicas = self._kept(readers[0])
        key = (*self._key, source.name, output.name)
        latest = readers[0].guarantee is Guarantee.LATEST
        drops = source.delivery(output.name).on_full is OnFull.DROP_OLDEST
        return StreamPlan(
            name=names.stream(*key),
            subject=f"{names.port_subject(*key)}.*",
            retention=Retention.LIMITS if latest else Retention.INTEREST,
            discard=Discard.OLD if latest or drops else Discard.NEW,
            max_bytes=self._max_bytes(source, output.name),
            max_msgs_per_subject=1 if latest else -1,
            storage=storage,
            replicas=replicas,
            metadata=self._metadata,
            placeholder=names.placeholder_subject(*key),
            consumers=tuple(self._consumer(one) for one in readers if not one.side),
        )

    def _max_bytes(self, operator: PipelineOperator, port: str) -> int:
        size = operator.delivery(port).max_bytes
        return self._settings.max_bytes if size is None else byte_count(size)

    def _consumer(self, edge: Connection) -> ConsumerPlan:
        role = self._declared(edge.target).spec.place
        holds = role in {Role.REDUCER, Role.SINK} or (
            edge.input.join is Join.ZIP or edge.input.ordered
        )
        latest = edge.guarantee is Guarantee.LATEST
        return ConsumerPlan(
            durable=names.durable(edge.target.name, edge.input.name),
            ack_wait_seconds=self._ack_wait(edge),
            max_ack_pending=MAX_ACK_PENDING_HELD if holds else MAX_ACK_PENDING,
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT if latest else DeliverPolicy.ALL,
        )

    def _ack_wait(self, edge: Connection) -> float:
        if edge.edge.ack_wait is not None:
            return seconds(edge.edge.ack_wait)
        return seconds(self._declared(edge.target).spec.kernel_timeout) + ACK_MARGIN_SECONDS

    def chunks(self) -> list[StreamPlan]:
        """One stream for each kind of storage: the chunks of large messages of ports and letters.

        What a port may take of it is reserved before the first chunk, so that it never refuses.
        """
        settings = self._settings
        quotas: dict[Storage, list[int]] = {settings.state_storage: [settings.dead_letter_bytes]}
        quotas.setdefault(settings.storage, []).append(settings.images_bytes)
        copies = dict.fromkeys(quotas, settings.replicas)
        for one in self._ports():
            storage, replicas = self._kept(one)
            quotas.setdefault(storage, []).append(self._chunk_bytes(one.source, one.output.name))
            copies[storage] = max(copies.get(storage, 1), replicas)
        return [
            self._chunk_stream(kind, sum(sizes) + LEDGER_BYTES * len(sizes), copies[kind])
            for kind, sizes in sorted(quotas.items())
        ]

    def _chunk_stream(self, storage: Storage, max_bytes: int, replicas: int) -> StreamPlan:
        return StreamPlan(
            name=names.chunks_stream(*self._key, storage),
            subject=f"{names.chunks_subject(*self._key, storage)}.>",
            max_bytes=max_bytes,
            max_msgs_per_subject=1,
            storage=storage,
            replicas=replicas,
            metadata=self._metadata,
            direct=True,
        )

    def _kept(self, one: Connection) -> tuple[Storage, int]:
        """How and how often a port's messages are stored."""
        delivery = one.source.delivery(one.output.name)
        return (
            delivery.storage or self._settings.storage,
            delivery.replicas or self._settings.replicas,
        )

    def _chunk_bytes(self, operator: PipelineOperator, port: str) -> int:
        size, given = operator.delivery(port).max_bytes, self._settings.chunk_bytes
        if size is not None:
            return byte_count(size)
        return self._settings.max_bytes // 2 if given is None else given

    def _chunks(self, storage: Storage, max_bytes: int, *port: str) -> ChunksConfig:
        return ChunksConfig(
            stream=names.chunks_stream(*self._key, storage),
            subject=names.chunks_subject(*self._key, storage, *port),
            max_bytes=max_bytes,
        )

    def messages(self) -> list[StreamPlan]:
        """The object store of messages that are inputs of external runs, where there are any."""
        if not any(external(self._declared(edge.target)) for edge in self._edges):
            return []
        bucket = names.messages_bucket(*self._key)
        return [
            StreamPlan(
                name=names.objects_stream(bucket),
                subject=f"$O.{bucket}.>",
                max_bytes=self._settings.max_bytes,
                storage=self._settings.storage,
                replicas=self._settings.replicas,
                metadata=self._metadata,
                direct=True,
                rollup=True,
            )
        ]

    def dead_letters(self) -> StreamPlan:
        """What could not be processed; refuses when full, nothing is lost silently."""
        return StreamPlan(
            name=names.dead_letter_stream(*self._key),
            subject=names.dead_letter_subject(*self._key, "*"),
            max_bytes=self._settings.dead_letter_bytes,
            storage=self._settings.state_storage,
            replicas=self._settings.replicas,
            metadata=self._metadata,
        )

    def images(self) -> StreamPlan:
        """The last picture of each name."""
        return StreamPlan(
            name=names.images_stream(*self._key),
            subject=f"{names.images_subject(*self._key, '*')}.*",
            discard=Discard.OLD,
            max_bytes=self._settings.images_bytes,
            max_msgs_per_subject=1,
            storage=self._settings.storage,
            replicas=self._settings.replicas,
            metadata=self._metadata,
        )

    def bucket(self) -> BucketPlan:
        """The state of the pipeline."""
        return BucketPlan(
            name=names.state_bucket(*self._key),
            history=5,
            max_bytes=self._settings.state_bytes,
            storage=self._settings.state_storage,
            replicas=self._settings.replicas,
            metadata=self._metadata,
        )

    def config(self, one: PipelineOperator) -> OperatorConfig:
        """What the processes of an operator are started with."""
        spec = self._declared(one).spec
        read = [port for port in spec.outputs if self._readers(one.name, port.name)]
        return OperatorConfig(
            namespace=self._key[0],
            pipeline=self._key[1],
            operator=one.name,
            run=self._settings.run,
            revision=self._settings.revision,
            role=spec.place,
            parallel=spec.parallel,
            replicas=topology.most_replicas(one),
            parameters=values(one, self._declared(one)),
            kernel_timeout_seconds=seconds(spec.kernel_timeout),
            inputs=[self._input(edge) for edge in self._edges if edge.target.name == one.name],
            outputs=[self._output(one, port.name, types(port)) for port in read],
            unread_outputs=[port.name for port in spec.outputs if port not in read],
            dead_letter_subject=names.dead_letter_subject(*self._key, one.name),
            dead_letter_stream=names.dead_letter_stream(*self._key),
            dead_letter_chunks=self._chunks(
                self._settings.state_storage, self._settings.dead_letter_bytes, *LETTERS
            ),
            state_bucket=names.state_bucket(*self._key),
            images_subject=names.images_subject(*self._key, one.name),
            images_stream=names.images_stream(*self._key),
            images_chunks=self._chunks(
                self._settings.storage, self._settings.images_bytes, *PICTURES
            ),
            status_subject=names.status_subject(*self._key, one.name),
            most_runs=_most_runs(self._declared(one)),
        )

    def _input(self, edge: Connection) -> InputConfig:
        key = (*self._key, edge.source.name, edge.output.name)
        merging = not edge.side and topology.merges(edge.target.name, self._edges)
        return InputConfig(
            port=edge.input.name,
            source=edge.edge.source,
            stream=names.stream(*key),
            durable="" if edge.side else names.durable(edge.target.name, edge.input.name),
            subject=f"{names.port_subject(*key)}.*",
            delivery=edge.guarantee,
            ack_wait_seconds=self._ack_wait(edge),
            attempts=edge.edge.attempts,
            join=edge.input.join,
            lanes=list(self._lanes[edge.source.name]),
            merges=merging,
            results=edge.source.name in self._reduced,
            types=list(types(edge.input)),
            loses=edge.guarantee is Guarantee.LATEST
            or edge.source.delivery(edge.output.name).on_full is OnFull.DROP_OLDEST,
        )

    def _output(
        self, operator: PipelineOperator, port: str, kinds: tuple[str, ...]
    ) -> OutputConfig:
        key = (*self._key, operator.name, port)
        readers = self._readers(operator.name, port)
        return OutputConfig(
            port=port,
            subject=names.port_subject(*key),
            stream=names.stream(*key),
            delivery=readers[0].guarantee,
            on_full=operator.delivery(port).on_full,
            max_bytes=self._max_bytes(operator, port),
            types=list(kinds),
            chunks=self._chunks(
                self._kept(readers[0])[0], self._chunk_bytes(operator, port), operator.name, port
            ),
        )


def _most_runs(operator: InteractOperator) -> int:
    return (operator.spec.execution.max_runs or MOST_RUNS) if external(operator) else 0


def values(one: PipelineOperator, operator: InteractOperator) -> dict[str, Value | None]:
    """The parameters of an operator in a pipeline, converted, defaults filled in.

    Raises:
        ParameterError: If a value is not one the parameter takes.
    """
    return {
        parameter.name: coerce(parameter, one.parameters[parameter.name])
        if parameter.name in one.parameters
        else default_value(parameter)
        for parameter in operator.spec.parameters
    }
