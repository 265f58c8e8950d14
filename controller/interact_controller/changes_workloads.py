"""What has to be done about Deployments, and who owns their replicas.

A fixed number is ours. It is applied with the Deployment when that is made, so that a stopped one
starts no pod, and by a field manager of its own from the first change on. An annotation says that
it is ours, and what somebody else had chosen before we stopped the pods.
"""

from collections.abc import Iterator

from interact_api.plain import entries, mapping

from interact_controller import labels
from interact_controller.children import WorkloadSeen
from interact_controller.desired.state import Desired, Stage, Workload
from interact_controller.differences import difference
from interact_controller.observed import Observed
from interact_controller.seen import Manifest
from interact_controller.steps import (
    ApplyDeployment,
    ApplyReplicas,
    Change,
    ReleaseReplicas,
    RemoveDeployment,
)


def changes(observed: Observed, desired: Desired) -> Iterator[Change]:
    """What has to be done about Deployments and their replicas."""
    ran = _ran(observed)
    for one in desired.workloads:
        live = observed.workloads.get(one.name)
        yield from _birth(one, ran) if live is None else _upkeep(one, live)
    yield from _left_over(observed, desired)


def stops(observed: Observed, desired: Desired) -> Iterator[Change]:
    """What can be done without NATS: stop what is to stop."""
    for one in desired.workloads:
        live = observed.workloads.get(one.name)
        if live is not None and one.replicas == 0:
            yield from _replicas(one, live)


def halts(observed: Observed) -> Iterator[Change]:
    """What suspends a pipeline of which nothing else can be said, because operators are missing."""
    for live in observed.workloads.values():
        if live.owner == observed.uid and live.replicas:
            chosen, _ = _chosen(live)
            before = str(live.annotations.get(labels.RESUME, ""))
            yield ApplyReplicas(live.name, 0, str(live.replicas) if chosen is None else before)


def _left_over(observed: Observed, desired: Desired) -> Iterator[Change]:
    """What to do about Deployments of operators that are not in the pipeline any more."""
    wanted = {one.name for one in desired.workloads}
    stopped = desired.stage in {Stage.SUSPENDED, Stage.DRAINED, Stage.COMPLETED}
    for live in observed.workloads.values():
        if live.name in wanted or live.owner != observed.uid:
            continue
        if not desired.waits:
            yield RemoveDeployment(live.name, live.uid)
        elif live.replicas and (stopped or live.operator in desired.paused):
            yield ApplyReplicas(live.name, 0, str(live.annotations.get(labels.RESUME, "")))


def _ran(observed: Observed) -> frozenset[str]:
    """The operators that were ready when this very specification was last told about."""
    status = mapping(observed.manifest.get("status"))
    if status.get("observedGeneration") != observed.pipeline.metadata.generation:
        return frozenset()
    states = map(mapping, entries(status.get("operators")))
    return frozenset(str(one.get("name")) for one in states if one.get("ready"))


def _birth(one: Workload, ran: frozenset[str]) -> Iterator[Change]:
    """Make a Deployment; replicas go with it, so that a stopped one starts no pod."""
    manifest = one.manifest
    if one.replicas is not None:
        manifest = _with(
            manifest, {labels.REPLICAS_OURS: f"{one.replicas}/{labels.AT_BIRTH}"}, one.replicas
        )
    words = f"Deployment {one.name} was missing; it is made anew" * (one.operator in ran)
    yield ApplyDeployment(manifest, makes=True, healed=words)


def _with(manifest: Manifest, annotations: dict[str, str], replicas: int) -> Manifest:
    about, spec = mapping(manifest["metadata"]), mapping(manifest["spec"])
    given = mapping(about.get("annotations"))
    return {
        **manifest,
        "metadata": {**about, "annotations": {**given, **annotations}},
        "spec": {**spec, "replicas": replicas},
    }


def _upkeep(one: Workload, live: WorkloadSeen) -> Iterator[Change]:
    _, at_birth = _chosen(live)
    same = live.annotations.get(labels.HASH) == one.digest
    said = {key: one.manifest[key] for key in ("metadata", "spec")}  # lists leave out the kind
    where = difference(said, live.manifest)
    applies = not same or bool(where)
    yield from _replicas(one, live, keeps=applies and at_birth)
    if applies:
        about = mapping(one.manifest["metadata"])
        manifest: Manifest = {**one.manifest, "metadata": {**about, "uid": live.uid}}
        words = f"{where} of Deployment {one.name} was changed by somebody; it is set again"
        yield ApplyDeployment(manifest, makes=False, healed=words if same else "")


def _replicas(one: Workload, live: WorkloadSeen, *, keeps: bool = False) -> Iterator[Change]:
    """What is to be done about replicas.

    Args:
        one: What is desired.
        live: What is there.
        keeps: Whether an apply without replicas follows, which would give up those of the birth.
    """
    chosen, _ = _chosen(live)
    before = str(live.annotations.get(labels.RESUME, ""))
    if one.replicas is None:
        if chosen is not None:
            number = int(before) if before.isdigit() else max(live.replicas, 1)
            yield ReleaseReplicas(one.name, number, one.manifest)
        return
    if live.replicas == one.replicas and not keeps:
        return
    stopped_first = str(live.replicas) if chosen is None else before
    resume = "" if one.replicas else stopped_first
    healed = f"replicas of Deployment {one.name} were {live.replicas}; they are {chosen} again"
    yield ApplyReplicas(
        one.name, one.replicas, resume, healed if chosen == one.replicas != live.replicas else ""
    )


def _chosen(live: WorkloadSeen) -> tuple[int | None, bool]:
    """The replicas we last chose, None if they are somebody else's; whether with the making."""
    number, _, birth = str(live.annotations.get(labels.REPLICAS_OURS, "")).partition("/")
    return (int(number) if number.isdigit() else None), bool(birth)
