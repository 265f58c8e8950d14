"""Waiting until a pipeline is as it was asked to be."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from interact_api.plain import mapping

from interact.cli.cluster import kinds, objects
from interact.cli.cluster.api import Object
from interact.cli.cluster.objects import Place
from interact.cli.cluster.progress import Judge, Progress
from interact.cli.exits import CommandError, Exit

PIPELINE_LABEL: Final = "interact.science/pipeline"
LOOK_SECONDS: Final = 0.5
"""Between two looks at the object."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, and by which clock; ``tell`` hears what is missing whenever it changes."""

    seconds: float
    tell: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


def until(place: Place, pipeline: Object, judge: Judge, patience: Patience) -> Object:
    """Wait until a pipeline is judged done; gives it as it then is.

    Raises:
        CommandError: If it takes too long, is deleted, or cannot come about.
    """
    about = mapping(pipeline["metadata"])
    name = str(about["name"])

    def look() -> tuple[Object, Progress]:
        found = objects.read(place, kinds.PIPELINE, name)
        if found["metadata"]["uid"] != about["uid"]:
            raise CommandError(
                Exit.NOT_FOUND, f"pipeline {name!r} was deleted and made anew meanwhile"
            )
        return found, judge(found)

    return _waited(look, f"pipeline {name!r}", patience)


def until_gone(place: Place, pipeline: Object, patience: Patience) -> None:
    """Wait until a deleted pipeline's object and pods are gone.

    Raises:
        CommandError: If it takes too long.
    """
    about = mapping(pipeline["metadata"])
    name = str(about["name"])

    def look() -> tuple[Object, Progress]:
        found = [one for one in objects.read_all(place, kinds.PIPELINE) if _is(one, about)]
        left = _pods(place, name)
        words = "the object is there" if found else "its pods are ending"
        return pipeline, Progress(not found and not left, words)

    _waited(look, f"pipeline {name!r}", patience)


def _is(found: Object, about: Object) -> bool:
    return bool(mapping(found["metadata"]).get("uid") == about["uid"])


def _pods(place: Place, name: str) -> int:
    """Pods of a pipeline; none where one may not look, for the object is gone by our own word."""
    query = {"labelSelector": f"{PIPELINE_LABEL}={name}"}
    try:
        return len(objects.core(place, "pods", query))
    except CommandError as error:
        if error.code is Exit.FORBIDDEN:
            return 0
        raise


def _waited(look: Callable[[], tuple[Object, Progress]], what: str, patience: Patience) -> Object:
    end, told = patience.now() + patience.seconds, ""
    while True:
        found, progress = _looked(look)
        if found is not None and progress.done:
            return found
        if progress.words != told:
            told = progress.words
            patience.tell(f"waiting: {told}")
        if patience.now() >= end:
            raise CommandError(
                Exit.TIMEOUT,
                f"{what}: not so after {patience.seconds:g} s: {told}",
                "give a longer --timeout, or look: interact describe; does the controller run?",
            )
        patience.pause(min(LOOK_SECONDS, max(end - patience.now(), 0)))


def _looked(look: Callable[[], tuple[Object, Progress]]) -> tuple[Object | None, Progress]:
    """What is seen; a cluster that does not answer for a while ends no wait."""
    try:
        return look()
    except CommandError as error:
        if error.code is not Exit.UNREACHABLE:
            raise
        return None, Progress(done=False, words=error.lines[0])
