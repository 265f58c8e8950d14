"""`interact set`, `scale`, `suspend`, `resume`, `drain` and `delete`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from interact_api.parameters import Parameter, Value
from interact_api.plain import entries, mapping
from pydantic import ValidationError

from interact.cli.cluster import changes, connecting, kinds, objects, printed, progress, waits
from interact.cli.cluster.api import Object
from interact.cli.cluster.kinds import OPERATOR, PIPELINE
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Answer, Form, Where
from interact.cli.cluster.progress import Judge
from interact.cli.cluster.waits import Patience
from interact.cli.exits import CommandError, Exit

Edits = Callable[[Object], tuple[list[Object], list[changes.Change]]]


@dataclass(frozen=True)
class Asked:
    """A change of a pipeline: where, which, how it is told, and whether to wait."""

    place: Place
    name: str
    form: Form | None
    wait: bool
    patience: Patience

    def tell(self, pipeline: Object, words: str) -> None:
        """Print the pipeline in the form asked for, else words about it."""
        if self.form is None:
            typer.echo(f"pipeline {self.name!r}: {words}")
        elif self.form is Form.NAME:
            typer.echo(printed.reference(PIPELINE, pipeline))
        else:
            typer.echo(printed.document([pipeline], self.form, one=True))

    def settle(self, pipeline: Object, judge: Judge) -> Object:
        """Wait for a judge if that was asked for; gives the pipeline as it then is."""
        if not self.wait:
            return pipeline
        judge = progress.seen(judge, generation(pipeline))
        return waits.until(self.place, pipeline, judge, self.patience)


def asked(where: Where, name: str, answer: Answer | None, seconds: float, *, wait: bool) -> Asked:
    """What was asked for on a command line, with a connection to the cluster.

    Raises:
        CommandError: If no cluster is configured, or the name is none.
    """
    patience = Patience(seconds, lambda words: typer.echo(words, err=True))
    form = Form(answer) if answer else None
    return Asked(connecting.place(where), kinds.named(name), form, wait, patience)


def generation(pipeline: Object) -> int:
    """The generation of a pipeline's spec: the revision of its parameters."""
    return int(pipeline["metadata"]["generation"])


def set_parameters(task: Asked, texts: Sequence[str]) -> None:
    """Set parameters while a pipeline runs.

    Raises:
        CommandError: If an operator does not take a value, or the cluster the change.
    """
    wanted = changes.assignments(texts, parameters=True)
    names = [one.operator for one in wanted]
    present = objects.read(task.place, PIPELINE, task.name)
    declared = _declared(task.place, present, names)
    values = changes.values(present, wanted, declared)
    moved: dict[str, list[str]] = {}

    def edits(found: Object) -> tuple[list[Object], list[changes.Change]]:
        moved.clear()
        moved.update(changes.felt(found, values, declared))
        return changes.parameter_edits(found, values)

    after, made = _edited(task, edits)
    revision = generation(after)
    judge = progress.in_effect(revision, moved, progress.refusals(present))
    after = task.settle(after, judge)
    state = f"is {'in effect' if task.wait else 'set'}"
    overtaken = _overtaken(after, values)
    if made and overtaken:
        state = f"was overtaken by a later change: {', '.join(overtaken)}"
    task.tell(after, _told(made, f"revision {revision} {state}"))


def _overtaken(pipeline: Object, values: Mapping[str, Mapping[str, Value]]) -> list[str]:
    """The parameters that somebody has set to other values since, with what they are now."""
    _, others = changes.parameter_edits(pipeline, values)
    return [f"{one.operator}.{one.field} is {one.before} now" for one in others]


def _declared(
    place: Place, pipeline: Object, operators: Sequence[str]
) -> dict[str, Sequence[Parameter]]:
    """The declared parameters of some operators, by their names in the pipeline."""
    found: dict[str, Sequence[Parameter]] = {}
    for name, (namespace, operator) in changes.references(pipeline, operators).items():
        there = Place(place.api, namespace)
        spec = mapping(objects.read(there, OPERATOR, operator).get("spec"))
        try:
            found[name] = [Parameter.model_validate(one) for one in entries(spec.get("parameters"))]
        except ValidationError as error:
            raise CommandError(
                Exit.INVALID,
                f"{there.what(OPERATOR, operator)} declares parameters that this version of "
                "interact does not know; install the version of the cluster",
            ) from error
    return found


def scale(task: Asked, texts: Sequence[str]) -> None:
    """Fix numbers of replicas.

    Raises:
        CommandError: If an operator cannot run so, or the cluster refuses.
    """
    wanted = changes.assignments(texts, parameters=False)
    present = objects.read(task.place, PIPELINE, task.name)
    numbers = changes.replicas(present, wanted)
    _require_parallel(task.place, present, [name for name, n in numbers.items() if n > 1])
    after, made = _edited(task, lambda found: changes.replica_edits(found, numbers))
    after = task.settle(after, progress.scaled(numbers))
    task.tell(after, _told(made, "all replicas are ready" if task.wait else ""))


def _require_parallel(place: Place, pipeline: Object, operators: Sequence[str]) -> None:
    problems = []
    for name, (namespace, operator) in changes.references(pipeline, operators).items():
        found = objects.read(Place(place.api, namespace), OPERATOR, operator)
        kind = mapping(mapping(found.get("spec")).get("parallelConfig")).get("type", "none")
        if kind == "none":
            problems.append(f"{name}: operator {operator!r} is not parallel: it runs as 1 replica")
    if problems:
        raise CommandError(Exit.INVALID, *problems)


def suspend(task: Asked) -> None:
    """Stop every operator and keep what is in the streams."""
    after, changed = _switched(task, {"suspend": True})
    after = task.settle(after, progress.suspended)
    words = "suspended" if task.wait else "is being suspended"
    task.tell(after, words if changed else "was suspended before")


def resume(task: Asked) -> None:
    """Start the operators of a pipeline that was suspended or drained."""
    after, changed = _switched(task, {"suspend": False, "drain": False})
    after = task.settle(after, progress.running)
    words = "is ready" if task.wait else "is being resumed"
    task.tell(after, words if changed else "was neither suspended nor drained")


def drain(task: Asked) -> None:
    """Stop the sources and finish what is in flight."""
    after, changed = _switched(task, {"drain": True, "suspend": False})
    after = task.settle(after, progress.drained)
    words = "drained" if task.wait else "is being drained"
    task.tell(after, words if changed or task.wait else "was being drained before")


def delete(task: Asked, *, now: bool) -> None:
    """Delete a pipeline, after it is drained where its deletionPolicy says so.

    Raises:
        CommandError: If it cannot be drained in time; it is not deleted then.
    """
    present = objects.read(task.place, PIPELINE, task.name)
    policy = mapping(present.get("spec")).get("deletionPolicy", "Delete")
    if policy == "Drain" and not now:
        task.patience.tell(f"pipeline {task.name!r}: drained first; --now drops what is in flight")
        present, _ = _switched(task, {"drain": True, "suspend": False})
        judge = progress.seen(progress.drained, generation(present))
        present = waits.until(task.place, present, judge, task.patience)
    objects.remove(task.place, PIPELINE, task.name, str(present["metadata"]["uid"]))
    if task.wait:
        waits.until_gone(task.place, present, task.patience)
    task.tell(present, "deleted")


def _edited(task: Asked, edits: Edits) -> tuple[Object, list[changes.Change]]:
    """The pipeline after edits of it, and what they changed."""
    made: list[changes.Change] = []

    def wanted(found: Object) -> list[Object]:
        new, made[:] = edits(found)
        return new

    return objects.edit(task.place, PIPELINE, task.name, wanted), made


def _switched(task: Asked, wanted: dict[str, Any]) -> tuple[Object, bool]:
    """The pipeline with switches of its spec so, and whether one was not."""
    present = objects.read(task.place, PIPELINE, task.name)
    spec = mapping(present.get("spec"))
    new = {key: value for key, value in wanted.items() if spec.get(key, False) != value}
    if not new:
        return present, False
    return objects.merge(task.place, PIPELINE, task.name, {"spec": new}), True


def _told(made: Sequence[changes.Change], then: str) -> str:
    if not made:
        return "all is so already"
    return "; ".join([", ".join(one.words for one in made), *([then] if then else [])])
