"""What should be there for a pipeline: a pure function of what was observed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from interact_api import graph, names, streams, topology
from interact_api.choices import Role
from interact_api.conditions import Reason
from interact_api.config import OperatorConfig
from interact_api.external_places import external
from interact_api.operator import InteractOperator
from interact_api.pipeline import PipelineOperator, UpdatePolicy
from interact_api.plain import entries, mapping
from interact_api.problem import Problem
from interact_api.stream_plan import BucketPlan, Plan, PlanSettings, StreamPlan
from interact_api.template import PodTemplate

from interact_controller import labels
from interact_controller.desired import deployments, rewiring, templates
from interact_controller.errors import Stalled, Waiting
from interact_controller.observed import Observed
from interact_controller.policy import CONFIG_LIMIT, OBJECT_LIMIT, PARAMETERS_LIMIT, Policy
from interact_controller.seen import Manifest

OPERATORS_AFTER_SECONDS = 60.0
"""Look again for what is missing; an object that appears wakes the pipeline at once."""


class Stage(StrEnum):
    """What the pipeline is doing on the whole."""

    RUNNING = "Running"
    SUSPENDED = "Suspended"
    DRAINING = "Draining"
    DRAINED = "Drained"
    COMPLETED = "Completed"


@dataclass(frozen=True)
class Workload:
    """The Deployment of one operator; ``replicas`` is None where somebody else chooses them."""

    operator: str
    name: str
    manifest: Manifest
    digest: str
    replicas: int | None
    image: str


@dataclass(frozen=True)
class Desired:
    """Everything that should be there.

    Attributes:
        stage: What the pipeline is doing on the whole.
        workloads: The Deployments, in the order of the specification.
        streams: The streams with their consumers.
        bucket: The state bucket.
        parameters: The document operator processes watch.
        configs: What each operator is to work with in the end.
        waits: Where the graph is being changed: what has to run empty first. Streams and
            Deployments that are not there are not made, and none is removed, until this is empty.
        paused: Operators that must not run meanwhile.
    """

    stage: Stage
    workloads: tuple[Workload, ...]
    streams: tuple[StreamPlan, ...]
    bucket: BucketPlan
    parameters: dict[str, Any]
    configs: Mapping[str, OperatorConfig] = field(default_factory=dict[str, OperatorConfig])
    waits: tuple[str, ...] = ()
    paused: frozenset[str] = frozenset()


def state(observed: Observed, policy: Policy) -> Desired:
    """What should be there.

    Raises:
        Waiting: If operators are missing or not valid.
        Stalled: If a person has to change the pipeline; the message has every problem.
    """
    _refuse_missing(observed)
    found = (*graph.problems(observed.pipeline, observed.operators), *_problems(observed))
    if found:
        raise Stalled(found[0].reason, "; ".join(f"{one.path}: {one.message}" for one in found))
    plan = streams.planned(observed.pipeline, observed.operators, plan_settings(observed, policy))
    planned = {one.name: one for one in plan.streams}
    over = _was_completed(observed)  # nothing runs that could read what is left
    edit = rewiring.Rewiring() if over else rewiring.rewiring(observed, planned)
    now = stage(observed, plan, waits=bool(edit.waits))
    return Desired(
        stage=now,
        workloads=tuple(_workloads(observed, policy, plan, edit, now)),
        streams=plan.streams,
        bucket=plan.bucket,
        parameters=_parameters(observed, plan, keeps=bool(edit.waits)),
        configs=plan.operators,
        waits=edit.waits,
        paused=edit.paused,
    )


def plan_settings(observed: Observed, policy: Policy) -> PlanSettings:
    """What the plan of a pipeline's streams needs beside the pipeline."""
    return PlanSettings(
        namespace=observed.namespace,
        installation=policy.installation,
        run=names.run_nonce(observed.uid),
        uid=observed.uid,
        storage=policy.storage,
        max_bytes=policy.stream_bytes,
        state_bytes=policy.state_bytes,
        dead_letter_bytes=policy.dead_letter_bytes,
        images_bytes=policy.images_bytes,
        replicas=policy.stream_replicas,
    )


def stage(observed: Observed, plan: Plan, *, waits: bool) -> Stage:
    """What the pipeline is doing on the whole; what is completed stays so."""
    if _was_completed(observed):
        return Stage.COMPLETED
    if observed.pipeline.spec.suspend:
        return Stage.SUSPENDED
    sources = [name for name, one in plan.operators.items() if one.role is Role.SOURCE]
    records = observed.board.of(observed.name)
    known = {one.place.operator for one in records if one.is_source}
    if sources and known >= set(sources) and not waits and observed.board.done(observed.name):
        return Stage.COMPLETED
    if not observed.pipeline.spec.drain:
        return Stage.RUNNING
    live = [one for one in observed.workloads.values() if one.owner == observed.uid]
    if observed.streams is None:
        return Stage.DRAINED if live and not any(w.replicas for w in live) else Stage.DRAINING
    still = all(observed.still(one) for one in sources)
    idle = all(one.idle for s in observed.streams.values() for one in (s.consumers or {}).values())
    return Stage.DRAINED if still and idle and not waits else Stage.DRAINING


def _was_completed(observed: Observed) -> bool:
    conditions = entries(mapping(observed.manifest.get("status")).get("conditions"))
    return any(one.get("type") == "Completed" and one.get("status") == "True" for one in conditions)


def _refuse_missing(observed: Observed) -> None:
    if observed.forbidden:
        listed = ", ".join(map(repr, observed.forbidden))
        raise Stalled(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"{listed}: operators of that namespace may not be used here; use one of the "
            "catalogue's namespaces, or ask the administrator to allow it",
        )
    if observed.unusable:
        invalid = any("is not valid" in words for words in observed.unusable.values())
        reason = Reason.OPERATORS_INVALID if invalid else Reason.OPERATORS_NOT_FOUND
        remedy = "correct it" if invalid else "apply it; the pipeline starts by itself then"
        message = "; ".join(observed.unusable.values())
        raise Waiting(reason, f"{message}; {remedy}", after=OPERATORS_AFTER_SECONDS)


def _problems(observed: Observed) -> Iterator[Problem]:
    """What only matters on a cluster."""
    for number, one in enumerate(observed.pipeline.spec.operators):
        path = f"spec.operators[{number}]"
        operator = observed.operators[one.operator_ref.key]
        for words in templates.problems(templates.merged(operator.spec.template, one.template)):
            yield Problem(f"{path}.template", Reason.INVALID_TEMPLATE, words)


def _parameters(observed: Observed, plan: Plan, *, keeps: bool) -> dict[str, Any]:
    """Values by operator; a revision is the generation that set them.

    Operators that are to go and still run keep theirs.
    """
    live = {one.operator for one in observed.workloads.values()} if keeps else set[str]()
    found = {name: one for name, one in observed.parameters.items() if name in live}
    for name, config in plan.operators.items():
        values = config.model_dump(mode="json")["parameters"]
        before = mapping(observed.parameters.get(name))
        revision = observed.pipeline.metadata.generation
        if before.get("values") == values and isinstance(before.get("revision"), int):
            revision = before["revision"]
        found[name] = {"revision": revision, "values": values}
    remedy = "shorten the longest of spec.operators[].parameters, or give files by a volume"
    _refuse_large("the parameters take", json.dumps(found), PARAMETERS_LIMIT, remedy)
    return found


def _refuse_large(what: str, text: str | bytes, most: int, remedy: str) -> None:
    size = len(text.encode()) if isinstance(text, str) else len(text)
    if size > most:
        words = f"{what} {size:,} bytes, at most {most:,} fit; {remedy}"
        raise Stalled(Reason.TOO_LARGE, words)


def _workloads(
    observed: Observed, policy: Policy, plan: Plan, edit: rewiring.Rewiring, now: Stage
) -> Iterator[Workload]:
    pinned = _pinned(observed)
    for number, one in enumerate(observed.pipeline.spec.operators):
        operator = observed.operators[one.operator_ref.key]
        name = names.workload(observed.name, one.name)
        live = observed.workloads.get(name)
        config = deployments.configuration(plan.operators[one.name])
        if edit.waits:
            if live is None or live.owner != observed.uid:
                continue
            config = live.config or config
        remedy = "it has too many edges or paths, join some by zip"
        _refuse_large(f"the configuration of {one.name!r} takes", config, CONFIG_LIMIT, remedy)
        image = _image(one, operator, pinned, policy)
        manifest = deployments.manifest(
            observed.pipeline,
            one.name,
            operator.spec,
            _template(one, operator),
            policy,
            operator=operator.metadata.name,
            image=image,
            config=config,
        )
        text = deployments.written(manifest)
        remedy = f"shorten the env and annotations of spec.operators[{number}].template"
        _refuse_large(f"the Deployment of {one.name!r} takes", text, OBJECT_LIMIT, remedy)
        digest = deployments.digest(text)
        mapping(manifest["metadata"])["annotations"] = {labels.HASH: digest}
        replicas = 0 if one.name in edit.paused else _replicas(observed, one, operator, now)
        yield Workload(one.name, name, manifest, digest, replicas, image)


def _template(one: PipelineOperator, operator: InteractOperator) -> PodTemplate:
    author = operator.spec.template
    return templates.merged(templates.relay(author) if external(operator) else author, one.template)


def _replicas(
    observed: Observed, one: PipelineOperator, operator: InteractOperator, now: Stage
) -> int | None:
    if now in {Stage.SUSPENDED, Stage.DRAINED, Stage.COMPLETED}:
        return 0
    if now is Stage.DRAINING and operator.spec.place is Role.SOURCE:
        return 0
    if one.scale is not None:
        chosen = observed.scaled.get(one.name)
        return chosen.replicas if chosen is not None else one.scale.min
    if one.replicas is None and operator.spec.parallel:
        return None
    return topology.most_replicas(one)


def _pinned(observed: Observed) -> dict[str, str]:
    """The images that ran so far."""
    states = entries(mapping(observed.manifest.get("status")).get("operators"))
    return {str(one.get("name")): str(one.get("image", "")) for one in map(mapping, states)}


def _image(
    one: PipelineOperator, operator: InteractOperator, before: Mapping[str, str], policy: Policy
) -> str:
    if external(operator) and policy.exchange_image:
        return policy.exchange_image  # what relays its messages needs the interact package alone
    if one.update_policy is UpdatePolicy.PINNED and before.get(one.name):
        return before[one.name]
    return operator.spec.image
