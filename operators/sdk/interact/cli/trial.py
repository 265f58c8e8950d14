"""`interact operator try`: one operator on a file, without NATS."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interact_api.load import load
from interact_api.parameters import ParameterError, coerce, default_value

from interact import _calling, _main, _runtime, _spec
from interact._batches import Batch
from interact._errors import InteractError
from interact._kernel import Kernel
from interact._operator import Operator
from interact._reducer import Progress
from interact._reducing import configured
from interact._scan import Scan
from interact.cli.exits import CommandError, Exit
from interact.cli.trial_data import Data, Parts, parts

TRIAL_SECONDS = 600.0
"""The longest an asynchronous kernel may take for one message of a trial."""


class Statistics:
    """Shape, type, range and mean of an array that comes in parts along its first axis."""

    def __init__(self) -> None:
        self._length = self._finite = self._other = 0
        self._sum = 0.0
        self._low, self._high = math.inf, -math.inf
        self._shape: tuple[int, ...] = ()
        self._dtype = ""

    def add(self, array: npt.NDArray[Any]) -> None:
        """Take one part."""
        self._dtype, self._shape = str(array.dtype), array.shape[1:]
        self._length += len(array)
        numbers = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        self._other += array.size - numbers.size
        self._finite += numbers.size
        if numbers.size:
            self._sum += float(numbers.sum(dtype=np.float64))
            self._low = min(self._low, float(numbers.min()))
            self._high = max(self._high, float(numbers.max()))

    def document(self) -> dict[str, Any]:
        """The figures as JSON types; None where there is no number."""
        there = self._finite > 0
        return {
            "dtype": self._dtype,
            "shape": [self._length, *self._shape],
            "minimum": self._low if there else None,
            "maximum": self._high if there else None,
            "mean": self._sum / self._finite if there else None,
            "not_finite": self._other,
        }


def attempt(file: Path, data: Data | None, sets: tuple[str, ...]) -> dict[str, Any]:
    """Run the operator of a file on data, and say what came out.

    Args:
        file: The operator's run.py.
        data: A scan file for an operator that takes frames, .npz of named columns or channels for
            one that takes values or images; None for a source.
        sets: Parameters, as name=value.

    Raises:
        CommandError: If the operator, the data or a parameter is wrong.
    """
    try:
        operator = _main.found(file)
        values = _parameters(operator, sets)
        if operator.role == "source":
            return _report(operator, values, _sourced(operator, values))
        if data is None:
            raise CommandError(
                Exit.USAGE, f"operator {operator.name} takes data: give --input FILE"
            )
        with parts(operator, data) as messages:
            return _report(operator, values, _worked(operator, values, messages))
    except (InteractError, OSError) as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _parameters(operator: Operator, sets: tuple[str, ...]) -> dict[str, Any]:
    declared = {
        p.name: p
        for p in load(_spec.document(operator), origin="code").operators[0].spec.parameters
    }
    given = {name: value for name, _, value in (text.partition("=") for text in sets)}
    problems = [
        f"--set {name}: operator {operator.name} has {', '.join(declared) or 'no parameters'}"
        for name in given
        if name not in declared
    ]
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        try:
            values[name] = (
                coerce(parameter, given[name]) if name in given else default_value(parameter)
            )
        except ParameterError as error:
            problems.append(str(error))
        if values.get(name) is None and parameter.required and name not in given:
            problems.append(f"operator {operator.name} needs --set {name}=VALUE")
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    return {name: value for name, value in values.items() if value is not None}


def _worked(
    operator: Operator, values: Mapping[str, Any], messages: Parts
) -> Iterator[tuple[str, Batch]]:
    """What leaves each port, message by message."""
    if operator.role == "reducer":
        yield operator.outputs[0].name, _reduced(operator, values, messages)
        return
    kernel = Kernel(operator, values)
    if kernel.waiting_for or any(p.join == "zip" for p in operator.inputs):
        raise CommandError(
            Exit.USAGE, f"operator {operator.name} joins inputs; try it in a pipeline"
        )
    with _runtime.resources(operator) as kernel.resources:
        for part in messages:
            made = _calling.tried(operator, kernel, part, TRIAL_SECONDS)
            for name, output in made.items():
                if output is not None:
                    yield name, output


def _reduced(operator: Operator, values: Mapping[str, Any], messages: Parts) -> Batch:
    reducer = configured(operator.function, operator.parameters, dict(values))
    state: Any = None
    scan, covered = Scan("try", (0,)), 0
    for part in messages:
        state = reducer.zero(part.scan) if not covered else state
        reducer.add(state, part)
        scan, covered = part.scan, part.stop
    if not covered:
        raise CommandError(Exit.USAGE, "the file holds no frames")
    result: Batch = reducer.result(state, Progress(scan, covered, scan.total))
    return result


def _sourced(operator: Operator, values: Mapping[str, Any]) -> Iterator[tuple[str, Batch]]:
    arguments = {
        p.name: p.native(values.get(p.name, p.declared.default)) for p in operator.parameters
    }
    produced = operator.function(**arguments)
    if hasattr(produced, "__aiter__"):
        raise CommandError(
            Exit.USAGE, f"source {operator.name} is asynchronous; try it in a pipeline"
        )
    for batch in produced:
        yield "out", batch


def _report(
    operator: Operator, values: Mapping[str, Any], outputs: Iterator[tuple[str, Batch]]
) -> dict[str, Any]:
    """Run to the end and describe what came."""
    frames: dict[str, int] = {}
    kinds: dict[str, str] = {}
    figures: dict[str, dict[str, Statistics]] = {}
    for port, batch in _plainly(operator, outputs):
        frames[port] = frames.get(port, 0) + len(batch)
        kinds[port] = batch.kind
        for name, array in batch.arrays().items():
            if name != "rendered":
                figures.setdefault(port, {}).setdefault(name.rpartition(":")[2], Statistics()).add(
                    array
                )
    return {
        "operator": operator.name,
        "parameters": dict(values),
        "outputs": {
            port: {
                "kind": kinds[port],
                "frames": frames[port],
                "arrays": {name: one.document() for name, one in figures.get(port, {}).items()},
            }
            for port in kinds
        },
    }


def _plainly(
    operator: Operator, outputs: Iterator[tuple[str, Batch]]
) -> Iterator[tuple[str, Batch]]:
    """The outputs; what the kernel raises is told in its own words."""
    try:
        yield from outputs
    except (CommandError, InteractError):
        raise
    except Exception as error:
        words = f"operator {operator.name} raised {type(error).__name__}: {error}"
        raise CommandError(Exit.FAILED, words) from error


def text(said: Mapping[str, Any]) -> str:
    """What `attempt` found, for people."""
    lines = [said["operator"]]
    lines += [f"  {name} = {value}" for name, value in said["parameters"].items()]
    for port, output in said["outputs"].items():
        lines.append(f"{port}: {output['kind']}, {output['frames']} frames")
        width = max((len(name) for name in output["arrays"]), default=0)
        for name, one in output["arrays"].items():
            shape = " x ".join(map(str, one["shape"]))
            figures = "  ".join(
                f"{key} {one[key]:.6g}"
                for key in ("minimum", "maximum", "mean")
                if one[key] is not None
            )
            other = f"  not finite {one['not_finite']}" if one["not_finite"] else ""
            lines.append(f"  {name:<{width}}  {one['dtype']} {shape}  {figures}{other}")
    return "\n".join(lines)
