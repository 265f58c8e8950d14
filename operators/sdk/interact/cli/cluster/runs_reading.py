"""`interact runs show`, `watch` and `logs`: how external runs are, and what they say."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import typer
from interact_api import names
from interact_api.lifecycle import TERMINAL, RunPhase
from interact_api.model import GROUP
from interact_api.plain import entries, mapping

from interact.cli.cluster import kinds, objects, printed, reading, runs_described
from interact.cli.cluster.api import ApiError, Object
from interact.cli.cluster.kinds import RUN
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Form
from interact.cli.cluster.refusals import refusal
from interact.cli.exits import CommandError, Exit

KEY_LABEL: Final = f"{GROUP}/run-key"
"""On the pods of a run's work: the idempotency key of its attempt."""
AGAIN_SECONDS: Final = 0.2
"""Before a watch that the server ended is begun again: a proxy may end each at once."""
WATCH_SECONDS: Final = 60.0
"""Longest that one watch is asked for."""
_EXPIRED: Final = 410


def phase(run: Object) -> RunPhase | None:
    """Where a run is; None before a controller has seen it."""
    word = mapping(run.get("status")).get("phase")
    return RunPhase(word) if word in set(RunPhase) else None


def show(place: Place, called: Sequence[str], form: Form | None) -> None:
    """Print everything about some runs.

    Raises:
        CommandError: If one is not there.
    """
    found = [objects.read(place, RUN, kinds.named(one)) for one in called]
    if form is not None:
        typer.echo(printed.document(found, form, one=len(found) == 1))
        return
    for number, one in enumerate(found):
        lines = runs_described.run(one, reading.events(place, one), datetime.now(UTC))
        typer.echo("\n".join([*([""] if number else []), *lines]))


def watch(
    place: Place,
    called: Sequence[str],
    seconds: float | None,
    *,
    as_json: bool,
    now: Callable[[], float] = time.monotonic,
) -> Exit:
    """Print a line at each change of some runs until all have ended, or of all until interrupted.

    Args:
        place: Where.
        called: The runs; all without.
        seconds: Longest time to watch; None for no end.
        as_json: Print each run as one line of JSON.
        now: A clock.

    Returns:
        COMPLETE if all that are named have completed, FAILED if one has not.

    Raises:
        CommandError: If one that is named is not there, or time is up.
    """
    wanted = {kinds.named(one) for one in called}
    said: dict[str, str] = {}
    seen: dict[str, RunPhase | None] = {}
    end = None if seconds is None else now() + seconds

    def tell(event: str, one: Object) -> None:
        about = one["metadata"]
        if wanted and about["name"] not in wanted:
            return
        gone = event == "DELETED"
        if gone and wanted:
            raise CommandError(Exit.NOT_FOUND, f"run {about['name']!r} was deleted")
        seen[about["name"]] = phase(one)
        line = f"{about['name']}: deleted" if gone else runs_described.line(one)
        if said.get(about["uid"]) != line:
            said[about["uid"]] = line
            typer.echo(_document(event, one) if as_json else line)

    version = _all(place, wanted, tell)
    while not wanted or any(seen.get(one) not in TERMINAL for one in wanted):
        left = WATCH_SECONDS if end is None else min(end - now(), WATCH_SECONDS)
        if left <= 0:
            open_ = sorted(one for one in wanted if seen.get(one) not in TERMINAL)
            raise CommandError(
                Exit.TIMEOUT,
                f"not ended after {seconds:g} s: {', '.join(open_) or 'nothing was named'}",
                "give a longer --timeout, or look: interact runs show",
            )
        version = _follow(place, wanted, version, left, tell, seen)
    done = all(seen[one] is RunPhase.COMPLETED for one in wanted)
    return Exit.COMPLETE if done else Exit.FAILED


Tell = Callable[[str, Object], None]


def _document(event: str, one: Object) -> str:
    shown = json.loads(printed.document([one], Form.JSON, one=True))
    return json.dumps({"event": event, "run": shown}, ensure_ascii=False)


def _all(place: Place, wanted: set[str], tell: Tell) -> str:
    """Tell all runs as they are; gives the version from which to go on."""
    found, version = objects.read_list(place, RUN)
    known = {str(one["metadata"]["name"]) for one in found}
    for one in sorted(wanted - known):
        raise objects.absent(place, RUN, one)
    for run in found:
        tell("ADDED", run)
    return version


def _follow(
    place: Place,
    wanted: set[str],
    version: str,
    seconds: float,
    tell: Tell,
    seen: dict[str, RunPhase | None],
) -> str:
    """Tell what changes until all have ended, or the watch has; gives the version to go on from."""
    query = {"resourceVersion": version, "timeoutSeconds": str(max(1, int(seconds)))}
    if len(wanted) == 1:
        query["fieldSelector"] = f"metadata.name={next(iter(wanted))}"
    try:
        for event, one in _events(place, query):
            version = str(one["metadata"]["resourceVersion"])
            tell(event, one)
            if wanted and all(seen.get(name) in TERMINAL for name in wanted):
                return version
    except ApiError as error:
        if error.code == _EXPIRED:
            return _all(place, wanted, tell)
        raise refusal(error, f"runs in {place.words}") from error
    time.sleep(AGAIN_SECONDS)
    return version


def _events(place: Place, query: dict[str, str]) -> Iterator[tuple[str, Object]]:
    for event in place.api.lines(RUN.path(place.namespace), query=query):
        found = mapping(event.get("object"))
        if event.get("type") == "ERROR":
            raise ApiError(int(found.get("code", 0)), str(found.get("message", "")), found)
        yield str(event.get("type")), found


def logs(place: Place, called: str, attempt: int | None, tail: int | None) -> None:
    """Print what the pods of a run's attempt have said; elsewhere, where its log is.

    Raises:
        CommandError: If there is nothing to print.
    """
    found = objects.read(place, RUN, kinds.named(called))
    status = mapping(found.get("status"))
    number = attempt or int(status.get("attempt", 1))
    key = names.run_key(str(found["metadata"]["uid"]), number)
    pods = objects.core(place, "pods", {"labelSelector": f"{KEY_LABEL}={key}"})
    if not pods:
        raise CommandError(Exit.NOT_FOUND, *_elsewhere(called, number, status))
    for pod in sorted(pods, key=lambda one: str(one["metadata"].get("creationTimestamp"))):
        for container in entries(mapping(pod.get("spec")).get("containers")):
            typer.echo(_log(place, pod["metadata"]["name"], container["name"], tail), nl=False)


def _elsewhere(called: str, number: int, status: Object) -> tuple[str, ...]:
    """Where the log of work is that has no pod here."""
    own = [one for one in entries(status.get("attempts")) if one.get("number") == number]
    there = str(mapping(own[0] if own else {}).get("externalId") or "")
    system = status.get("system")
    if not there:
        return (
            f"attempt {number} of run {called!r} was not submitted; it has no log",
            f"interact runs show {called} tells what it waits for",
        )
    where = f"on system {system!r}" if system else "and its pods are gone"
    return (
        f"attempt {number} of run {called!r} is {there!r} {where}; it has no pod with a log here",
        f"interact runs show {called} tells its results and artifacts",
    )


def _log(place: Place, pod: str, container: str, tail: int | None) -> str:
    query = {"container": container, **({} if tail is None else {"tailLines": str(tail)})}
    try:
        return place.api.text(f"/api/v1/namespaces/{place.namespace}/pods/{pod}/log", query=query)
    except ApiError as error:
        raise refusal(error, f"the log of pod {pod!r}") from error
