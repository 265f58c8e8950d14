"""One look at one object: observe, desire, compare, apply, and tell once, last."""

from interact_controller.ports import World
from interact_controller.seen import Key


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
    raise NotImplementedError(key, world)
