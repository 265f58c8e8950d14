"""Joins, side inputs, fan-out and fan-in over a real nats-server."""

import numpy as np
import pytest
from interact import (
    DenseFrames,
    Image,
    Latest,
    Reducer,
    ScanImage,
    Values,
    Zip,
    operator,
    scan_image,
)
from interact.testing import frames, pipeline

pytestmark = pytest.mark.nats

SCAN = frames(shape=(5, 7, 48, 64))
SUMS = SCAN.data.sum(axis=(1, 2)).astype(int)


@operator(parallel=True)
def total(part: DenseFrames) -> Values:
    """Sum of each frame."""
    return part.values(sum=part.data.sum(axis=(1, 2), dtype=np.int64))


@operator(parallel=True)
def brightest(part: DenseFrames) -> Values:
    """Largest pixel of each frame; odd frames are left out."""
    kept = part.select(part.index % 2 == 0)
    return kept.values(top=kept.data.max(axis=(1, 2)).astype(np.int64))


def by_index(out, name):
    return {
        int(i): int(v) for part in out for i, v in zip(part.index, part.columns[name], strict=True)
    }


def test_zip_joins_two_branches_by_frame_and_drops_what_one_lacks():
    @operator
    def ratio(top: Zip[Values], sum: Zip[Values]) -> Values:  # noqa: A002
        """Both columns of a frame."""
        assert np.array_equal(top.index, sum.index)
        return top.values(both=top.top * 100_000 + sum.sum)

    out = pipeline(
        SCAN, total, brightest, ratio,
        replicas={"total": 3, "brightest": 2},
        edges=[
            ("given.out", "total.part"), ("given.out", "brightest.part"),
            ("brightest.out", "ratio.top"), ("total.out", "ratio.sum"), ("ratio.out", "collect.part"),
        ],
    )  # fmt: skip

    tops = SCAN.data.max(axis=(1, 2)).astype(int)
    assert by_index(out, "both") == {i: tops[i] * 100_000 + SUMS[i] for i in range(0, 35, 2)}


def test_two_branches_into_one_port_both_arrive_whole():
    """The two messages that cover the same frames are told apart by their path."""

    @operator(parallel=True)
    def negative(part: DenseFrames) -> Values:
        """Minus the sum of each frame."""
        return part.values(sum=-part.data.sum(axis=(1, 2), dtype=np.int64))

    @operator(parallel=True)
    def plain(part: Values) -> Values:
        """Passes on."""
        return part

    @operator
    class Both(ScanImage):
        """Adds what comes."""

    out = pipeline(
        SCAN, total, negative, plain, Both,
        replicas={"plain": 2},
        edges=[
            ("given.out", "total.part"), ("given.out", "negative.part"),
            ("total.out", "plain.part"), ("negative.out", "plain.part"),
            ("plain.out", "both.part"), ("both.out", "collect.part"),
        ],
    )  # fmt: skip

    image = next(image for image in out if image.final)
    assert image.completeness == 1.0
    assert np.array_equal(image.channels["sum"], np.zeros((5, 7))), (
        "one branch was taken for the other"
    )


def test_a_kernel_knows_which_port_a_message_came_by():
    @operator
    def either(frames: DenseFrames | None, numbers: Values | None) -> Values:
        """One for frames, two for numbers."""
        part = frames if frames is not None else numbers
        return part.values(which=np.full(len(part), 1 if frames is not None else 2))

    out = pipeline(
        SCAN, total, either,
        edges=[
            ("given.out", "total.part"), ("given.out", "either.frames"),
            ("total.out", "either.numbers"), ("either.out", "collect.part"),
        ],
    )  # fmt: skip

    found = sorted(int(v) for part in out for v in part.which)
    assert found == [1] * 35 + [2] * 35


class Whole(Reducer[dict]):
    """Sum of all frames."""

    def zero(self, scan):
        return {"sum": np.zeros((48, 64), np.int64)}

    def add(self, state: dict, part: DenseFrames) -> None:
        state["sum"] += part.data.sum(axis=0, dtype=np.int64)

    def result(self, state: dict, progress) -> Image | None:
        if not progress.complete:
            return None
        image = scan_image(progress, {"x": np.zeros(35)})
        return image.replace(channels={"sum": state["sum"]})


def test_a_side_input_is_waited_for_and_its_newest_value_is_used():
    whole = operator(name="whole")(Whole)

    @operator
    def fraction(part: DenseFrames, reference: Latest[Image]) -> Values:
        """Product with the sum of the scan."""
        weights = reference.channels["sum"]
        return part.values(dot=(part.data * weights).sum(axis=(1, 2)))

    out = pipeline(
        SCAN, whole, fraction,
        edges=[
            ("given.out", "whole.part"), ("given.out", "fraction.part"),
            ("whole.out", "fraction.reference"), ("fraction.out", "collect.part"),
        ],
    )  # fmt: skip

    weights = SCAN.data.sum(axis=0, dtype=np.int64)
    assert by_index(out, "dot") == dict(enumerate((SCAN.data * weights).sum(axis=(1, 2)).tolist()))


def test_an_operator_with_two_output_ports_feeds_two_operators():
    @operator(outputs={"bright": DenseFrames, "dim": DenseFrames})
    def sort(part: DenseFrames) -> dict[str, DenseFrames | None]:
        """Bright here, dim there."""
        sums = part.data.sum(axis=(1, 2))
        return {"bright": part.select(sums >= 500), "dim": part.select(sums < 500)}

    @operator(name="total-dim", parallel=True)
    def total_dim(part: DenseFrames) -> Values:
        """Minus the sum."""
        return part.values(sum=-part.data.sum(axis=(1, 2), dtype=np.int64))

    out = pipeline(
        SCAN, sort, total, total_dim,
        edges=[
            ("given.out", "sort.part"), ("sort.bright", "total.part"), ("sort.dim", "total-dim.part"),
            ("total.out", "collect.part"), ("total-dim.out", "collect.part"),
        ],
    )  # fmt: skip

    assert by_index(out, "sum") == {i: s if s >= 500 else -s for i, s in enumerate(SUMS.tolist())}
