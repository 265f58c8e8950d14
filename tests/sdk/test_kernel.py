"""Calling kernels: arguments, outputs, and the frames they fail on."""

from typing import Literal

import numpy as np
import pytest
from interact import (
    Batch,
    BatchError,
    DenseFrames,
    OperatorError,
    Param,
    Reducer,
    SparseFrames,
    TransientError,
    Values,
    Zip,
    dependencies,
    operator,
    source,
)
from interact._kernel import Kernel, settled
from interact.testing import frames, run, sparse


@operator(parallel=True)
def brightness(
    part: DenseFrames | SparseFrames, *, gain: float = Param(2.0, unit="e/ADU", minimum=0)
) -> Values:
    """Sum of each frame."""
    if isinstance(part, SparseFrames):
        weights = np.ones(len(part.rows)) if part.counts is None else part.counts
        sums = np.add.reduceat(np.append(weights, 0), part.offsets[:-1]) * (part.events > 0)
        return part.values(sum=gain * sums)
    return part.values(sum=gain * part.data.sum(axis=(1, 2)))


def test_a_kernel_gives_the_same_whatever_the_messages():
    scan = frames()

    whole = run(brightness, scan, size=24, gain=3.0)
    parts = run(brightness, scan, size=5, gain=3.0)

    assert np.array_equal(whole.sum, 3.0 * scan.data.sum(axis=(1, 2)))
    assert np.array_equal(parts.sum, whole.sum)
    assert np.array_equal(run(brightness, sparse(scan)).sum, 2.0 * scan.data.sum(axis=(1, 2)))


@operator(outputs={"bright": DenseFrames, "dim": DenseFrames})
def sort(part: DenseFrames, *, limit: int = Param(500)) -> dict[str, DenseFrames | None]:
    """Bright frames here, dim ones there."""
    sums = part.data.sum(axis=(1, 2))
    return {"bright": part.select(sums >= limit), "dim": part.select(sums < limit)}


def test_a_kernel_chooses_the_port_of_each_frame():
    scan = frames()

    out = run(sort, scan, limit=500)

    assert len(out["bright"]) + len(out["dim"]) == len(scan)
    assert (out["bright"].data.sum(axis=(1, 2)) >= 500).all()
    assert sum(gap.stop - gap.start for gap in out["dim"].tombstones) == len(out["bright"])
    assert {gap.reason for gap in out["dim"].tombstones} == {"filtered"}


def failing_on(*bad: int):
    @operator
    def fragile(part: DenseFrames) -> Values:
        """Fails on some frames."""
        if set(bad) & set(part.index.tolist()):
            raise ValueError("cannot do that one")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    return fragile


@pytest.mark.parametrize("bad", [(0,), (23,), (3, 4, 17), tuple(range(24))])
def test_frames_a_kernel_fails_on_are_found_and_the_others_go_on(bad):
    scan = frames()

    done = Kernel(failing_on(*bad), {}).process({"part": scan})
    out = settled(scan, done.outputs["out"], done.failed)

    assert sorted(int(f.part["part"].index[0]) for f in done.failed) == list(bad)
    assert out.index.tolist() == [i for i in range(24) if i not in bad]
    assert {gap.reason for gap in out.tombstones} == {"failed"}
    assert (out.start, out.stop) == (0, 24)
    assert done.failed[0].error == "ValueError: cannot do that one"


def test_a_kernel_that_asks_for_another_try_gets_it():
    @operator
    def busy(part: DenseFrames) -> None:
        """Not now."""
        raise TransientError("the camera is busy")

    with pytest.raises(TransientError):
        Kernel(busy, {}).process({"part": frames()})


def test_everything_filtered_still_says_its_coverage():
    @operator
    def nothing(part: DenseFrames) -> DenseFrames | None:
        """Lets nothing through."""
        return None

    out = run(nothing, frames())

    assert len(out) == 0
    assert (out.start, out.stop) == (0, 24)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        pytest.param([1, 2], "returned list, expected a batch for out", id="a list"),
        pytest.param({"other": None, "out": frames()}, "", id="an unknown port with nothing in it"),
        pytest.param(
            {"other": frames()}, "returned port 'other'; it has out", id="an unknown port"
        ),
        pytest.param(
            frames((1, 2, 48, 64)), "one message makes its own outputs", id="other frames"
        ),
    ],
)
def test_what_a_kernel_may_not_return_is_said(returned, words):
    @operator
    def odd(part: DenseFrames) -> DenseFrames:
        """Returns what it likes."""
        return returned

    if not words:
        assert Kernel(odd, {}).call({"part": frames()})["out"] is not None
        return
    with pytest.raises(BatchError, match=words):
        Kernel(odd, {}).call({"part": frames()})


def test_dependencies_live_as_long_as_the_operator():
    told = []

    def model():
        told.append("open")
        yield 7
        told.append("closed")

    @operator
    @dependencies(model)
    def scaled(part: DenseFrames, factor: int) -> Values:
        """Uses its dependency."""
        told.append("call")
        return part.values(sum=factor * part.data.sum(axis=(1, 2)))

    out = run(scaled, frames(), size=24)

    assert np.array_equal(out.sum, 7 * frames().data.sum(axis=(1, 2)))
    assert told == ["open", "call", "closed"]


def test_a_classic_kernel_is_taken_as_it_is():
    @operator(inputs={"in": "any"}, outputs={"out": "values"})
    def classic(inputs, parameters):
        """The classic signature."""
        return inputs.values(sum=parameters["gain"] * inputs.data.sum(axis=(1, 2)))

    out = run(classic, frames(), gain=2)

    assert np.array_equal(out.sum, 2 * frames().data.sum(axis=(1, 2)))


def wrong_parameter():
    @operator
    def f(part: DenseFrames, *, table: dict[str, int] = Param()) -> None: ...


def no_port():
    @operator
    def f(part: np.ndarray) -> None: ...


def two_plain():
    @operator
    def f(a: DenseFrames, b: DenseFrames) -> None: ...


def parallel_zip():
    @operator(parallel=True)
    def f(a: Zip[DenseFrames], b: Zip[DenseFrames]) -> None: ...


def not_a_reducer():
    @operator
    class F: ...


def reducer_without_zero():
    @operator
    class F(Reducer[dict]):
        def add(self, state, part: Values) -> None: ...
        def result(self, state, progress) -> Values: ...


def result_of_what():
    @operator
    class F(Reducer[dict]):
        def zero(self, scan): ...
        def add(self, state, part: Values) -> None: ...
        def result(self, state, progress): ...


def source_with_input():
    @source
    def f(a: DenseFrames) -> DenseFrames: ...


@pytest.mark.parametrize(
    ("define", "words"),
    [
        (wrong_parameter, "parameter table is annotated"),
        (no_port, "argument part and 0 dependencies do not match"),
        (two_plain, r"a, b arrive one at a time; annotate each with '\| None'"),
        (parallel_zip, "drop parallel=True"),
        (not_a_reducer, "a class must be a Reducer"),
        (reducer_without_zero, "the reducer does not define zero"),
        (result_of_what, "annotate what result returns"),
        (source_with_input, "takes an input a; a source has none"),
    ],
)
def test_a_signature_that_says_too_little_is_refused_at_import(define, words):
    with pytest.raises(OperatorError, match=words):
        define()


def test_an_unknown_parameter_is_refused():
    with pytest.raises(OperatorError, match="brightness has no parameter 'gian'"):
        run(brightness, frames(), gian=1)


def test_the_types_of_parameters_become_those_of_a_specification():
    @operator
    def f(
        part: Batch,
        *,
        a: int = 3,
        b: bool = False,
        c: str = "x",
        d: Literal["one", "two"] = Param("one"),
        e: float | None = Param(None, maximum=5),
        f: float,
    ) -> None:
        """Everything."""

    assert [(p.name, p.type, p.required) for p in f.parameters] == [
        ("a", "int", False), ("b", "bool", False), ("c", "str", False),
        ("d", "str-enum", False), ("e", "float", False), ("f", "float", True),
    ]  # fmt: skip
    assert f.parameters[3].spec()["options"] == ["one", "two"]
    assert f.inputs[0].types == ("any",)


def test_at_the_last_try_frames_that_ask_for_another_are_found_like_those_that_fail():
    @operator
    def busy(part: DenseFrames) -> Values:
        """Frames 3 and 9 are not ready, frame 17 is broken."""
        if {3, 9} & set(part.index.tolist()):
            raise TransientError("the camera is busy")
        if 17 in part.index:
            raise ValueError("cannot do that one")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    scan = frames()
    done = Kernel(busy, {}).process({"part": scan}, last=True)

    found = {int(one.part["part"].index[0]): one.kind for one in done.failed}
    assert found == {3: "transient", 9: "transient", 17: "exception"}
    assert settled(scan, done.outputs["out"], done.failed).index.tolist() == [
        i for i in range(24) if i not in found
    ]


def test_a_message_of_one_frame_that_fails_is_that_frame():
    done = Kernel(failing_on(0), {}).process({"part": frames((1, 1, 48, 64))})

    assert [len(one.part["part"]) for one in done.failed] == [1]
    assert done.outputs == {"out": None}
