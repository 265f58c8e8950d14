"""One look at an InteractOperator: whether it can be used, and by how many pipelines it is."""

from interact_api import graph
from interact_api.conditions import ConditionStatus, ConditionType, Reason
from interact_api.load import SpecError
from interact_api.operator import OperatorStatus
from interact_api.plain import mapping

from interact_controller import observed, status, telling
from interact_controller.desired import templates
from interact_controller.ports import World
from interact_controller.seen import Key, Manifest
from interact_controller.verdicts import Verdict


async def reconcile(key: Key, world: World) -> float | None:
    """Write an operator's status if it differs; nothing else.

    Returns:
        Seconds after which to look again, or None.

    Raises:
        ControllerError: What a later look may find mended.
    """
    manifest = world.store.get(key)
    if manifest is None or "deletionTimestamp" in mapping(manifest["metadata"]):
        world.told.pop(key, None)
        return None
    about, before = mapping(manifest["metadata"]), mapping(manifest.get("status"))
    generation = int(about.get("generation", 0))
    found = status.conditions(verdicts(manifest), before.get("conditions"), generation, world.now())
    value = OperatorStatus(
        observed_generation=generation,
        conditions=found,
        used_by=len(world.store.users(key)),
    )
    told = value.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    return await telling.tell(key, manifest, told, world)


def verdicts(manifest: Manifest) -> tuple[Verdict, ...]:
    """What can be said of an operator by itself."""
    reason, message = _problem(manifest)
    if reason is None:
        return (
            Verdict(ConditionType.READY, ConditionStatus.TRUE, Reason.READY),
            Verdict(ConditionType.ACCEPTED, ConditionStatus.TRUE, Reason.ACCEPTED),
        )
    return (
        Verdict(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        Verdict(ConditionType.ACCEPTED, ConditionStatus.FALSE, reason, message),
        Verdict(ConditionType.STALLED, ConditionStatus.TRUE, reason, message),
    )


def _problem(manifest: Manifest) -> tuple[Reason | None, str]:
    try:
        operator = observed.operator(manifest)
    except SpecError as error:
        return Reason.INVALID_SPEC, str(error)
    found = graph.operator_problems(operator)
    if found:
        words = "; ".join(f"{one.path}: {one.message}" for one in found)
        return found[0].reason, words
    wrong = [f"spec.template: {words}" for words in templates.problems(operator.spec.template)]
    return (Reason.INVALID_TEMPLATE, "; ".join(wrong)) if wrong else (None, "")
