"""One look at one object: observe, desire, compare, apply, and tell once, last."""

from interact_api.load import SpecError
from interact_api.plain import mapping
from interact_api.topology import most_replicas

from interact_controller import (
    applying,
    changes,
    changes_workloads,
    edges,
    observed,
    operators,
    scaler,
    status,
    telling,
    verdicts,
)
from interact_controller.desired import state
from interact_controller.desired.state import Desired, Stage
from interact_controller.errors import Conflict, Stalled, Waiting
from interact_controller.observed import Observed
from interact_controller.ports import World
from interact_controller.seen import Key, Kind
from interact_controller.steps import Change

AGAIN_SECONDS = 0.2
"""After a conflict: the newer object is about to be heard of."""
STEP_SECONDS = 1.0
"""Between two looks while something runs empty or a scan is about to be complete."""
BROKER_SECONDS = 10.0


async def reconcile(key: Key, world: World) -> float | None:
    """Bring the cluster and JetStream to what a Pipeline or an InteractOperator says.

    Args:
        key: The object; one that is gone is fine.
        world: Everything it may touch.

    Returns:
        Seconds after which to look again even if nothing is heard, or None.

    Raises:
        ControllerError: What a later look may find mended; the queue logs it and backs off.
    """
    try:
        if key.kind is Kind.OPERATOR:
            return await operators.reconcile(key, world)
        return await _pipeline(key, world)
    except Conflict:
        return AGAIN_SECONDS


async def _pipeline(key: Key, world: World) -> float | None:
    manifest = world.store.get(key)
    if manifest is None:
        world.reports.forget(key.namespace, key.name)
        world.told.pop(key, None)
        world.scales.pop(key, None)
        return None
    if "deletionTimestamp" in mapping(manifest["metadata"]):
        return None  # the garbage collector removes the Deployments, the sweeper the streams
    try:
        pipeline = observed.pipeline(manifest)
    except SpecError as error:
        told = status.refused(manifest, str(error), world.now())
        return await telling.tell(key, manifest, told, world)
    board = world.reports.board(key.namespace, key.name)
    seen = await observed.observe(
        pipeline, manifest, world.store, world.broker, board, world.policy
    )
    now = world.now()
    board.sample(now.timestamp())
    _poll(seen, now.timestamp())
    memories = world.scales.setdefault(key, {})
    seen = scaler.scaled(seen, memories, now.timestamp(), world.policy.scale_down_seconds)
    desired: Desired | None = None
    trouble: Stalled | Waiting | None = None
    todo: tuple[Change, ...] = ()
    try:
        desired = state.state(seen, world.policy)
        _assign(seen, desired, now.timestamp())
        todo = changes.changes(seen, desired, world.policy)
        await applying.apply(todo, seen, world)
    except (Stalled, Waiting) as error:
        trouble = error
    if desired is None and pipeline.spec.suspend:
        todo = tuple(changes_workloads.halts(seen))
        await applying.apply(todo, seen, world)
    if todo:
        seen = await observed.again(seen, world.store, world.broker, todo)
    told = status.status(seen, desired, trouble, now)
    wait = await telling.tell(key, manifest, told, world)
    return _soonest(wait, _next(seen, desired, trouble, world))


def _poll(seen: Observed, now: float) -> None:
    """Tell the board what waits at the consumers."""
    if seen.streams is None:
        return
    pending: dict[str, dict[tuple[str, str], tuple[int, int]]] = {}
    for one in seen.workloads.values():
        for stream, durable in one.reads:
            live = seen.streams.get(stream)
            consumer = (live.consumers or {}).get(durable) if live is not None else None
            if consumer is not None:
                counts = (consumer.pending, consumer.ack_pending)
                pending.setdefault(one.operator, {})[stream, durable] = counts
    seen.board.poll(seen.name, pending, now)


def _assign(seen: Observed, desired: Desired, now: float) -> None:
    """Tell the board who there should be."""
    placed = {one.name: one for one in seen.pipeline.spec.operators}
    live = {one.operator: one.replicas for one in seen.workloads.values()}
    chosen = {one.operator: one.replicas for one in desired.workloads}
    replicas = {}
    for name, one in placed.items():
        number = chosen.get(name)
        replicas[seen.name, name] = number or live.get(name) or most_replicas(one)
    configs = {(seen.name, name): config for name, config in desired.configs.items()}
    seen.board.assign(configs, replicas, now)


def _next(
    seen: Observed, desired: Desired | None, trouble: Stalled | Waiting | None, world: World
) -> float | None:
    """When to look again without being woken."""
    if isinstance(trouble, Waiting):
        return trouble.after
    if seen.streams is None:
        return BROKER_SECONDS
    if desired is None or desired.stage in {Stage.COMPLETED, Stage.SUSPENDED, Stage.DRAINED}:
        return None
    if desired.waits or desired.stage is Stage.DRAINING:
        return STEP_SECONDS
    sources = [one for one in seen.board.of(seen.name) if one.is_source]
    if sources and seen.board.sources_done(seen.name):
        return STEP_SECONDS
    moves = verdicts.flows(seen, world.now()) or scaler.unsettled(seen)
    waits = any(not edge.idle for edge in edges.edges(seen))
    return world.policy.status_seconds if moves or waits else None


def _soonest(*times: float | None) -> float | None:
    return min((one for one in times if one is not None), default=None)
