"""Operators over a real nats-server: what one sends, the next has, exactly once."""

import numpy as np
import pytest
from interact import (
    DenseFrames,
    Image,
    OperatorError,
    ScanImage,
    SparseFrames,
    Values,
    operator,
)
from interact.testing import frames, pipeline, sparse

pytestmark = pytest.mark.nats


@operator(parallel=True)
def brightness(part: DenseFrames | SparseFrames) -> Values:
    """Sum of each frame."""
    if isinstance(part, SparseFrames):
        return part.values(sum=part.events)
    return part.values(sum=part.data.sum(axis=(1, 2)))


@operator
class Picture(ScanImage):
    """A pixel for each position."""


def final(out: list) -> Image:
    return next(image for image in out if image.kind == "image" and image.final)


@pytest.mark.parametrize("replicas", [1, 4])
def test_every_frame_arrives_once_whatever_the_replicas(replicas):
    scan = frames(shape=(5, 7, 48, 64))

    out = pipeline(scan, brightness, replicas={"brightness": replicas})

    got = {int(i): int(v) for part in out for i, v in zip(part.index, part.sum, strict=True)}
    assert got == dict(enumerate(scan.data.sum(axis=(1, 2)).tolist()))
    assert sum(len(part) for part in out) == 35


def test_a_reducer_knows_when_its_scan_is_complete():
    scan = frames(shape=(5, 7, 48, 64))

    out = pipeline(scan, brightness, Picture, replicas={"brightness": 3})

    image = final(out)
    assert np.array_equal(image.channels["sum"], scan.data.sum(axis=(1, 2)).reshape(5, 7))
    assert (image.start, image.stop, image.completeness) == (0, 35, 1.0)
    assert sum(image.final for image in out) == 1


def test_frames_that_never_came_are_missing_and_the_scan_still_ends():
    scan = frames(shape=(5, 7, 48, 64))
    short = scan.replace(stop=20, data=scan.data[:20])

    image = final(pipeline(short, brightness, Picture))

    assert image.missing == {"missing": 15}
    assert image.completeness == pytest.approx(20 / 35)
    assert np.isnan(image.channels["sum"].reshape(-1)[20:]).all()


def test_frames_a_kernel_fails_on_are_counted_and_kept():
    scan = frames(shape=(5, 7, 48, 64))

    @operator(parallel=True)
    def fragile(part: DenseFrames) -> Values:
        """Fails on frame 17."""
        if 17 in part.index:
            raise RuntimeError("a bad frame")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    image = final(pipeline(scan, fragile, Picture, may_fail=True))

    assert image.missing == {"failed": 1}
    assert np.argwhere(np.isnan(image.channels["sum"])).tolist() == [[2, 3]]


def test_a_failing_kernel_fails_its_author_s_test():
    @operator
    def broken(part: DenseFrames) -> Values:
        """Always fails."""
        raise ValueError("not implemented for this camera")

    with pytest.raises(OperatorError, match="broken: ValueError: not implemented for this camera"):
        pipeline(frames(shape=(2, 3, 48, 64)), broken)


def test_sparse_frames_flow_like_dense_ones():
    scan = frames(shape=(3, 4, 48, 64))

    image = final(pipeline(sparse(scan), brightness, Picture))

    assert np.array_equal(image.channels["sum"].reshape(-1), (scan.data > 0).sum(axis=(1, 2)))


def test_an_async_kernel_and_one_in_a_thread_flow_too():
    scan = frames(shape=(3, 4, 48, 64))

    @operator
    async def awaited(part: DenseFrames) -> DenseFrames:
        """Async."""
        return part.dense(part.data + 1)

    @operator(thread=True)
    def threaded(part: DenseFrames) -> Values:
        """In a thread."""
        return part.values(sum=part.data.sum(axis=(1, 2)))

    image = final(pipeline(scan, awaited, threaded, Picture))

    assert np.array_equal(
        image.channels["sum"].reshape(-1), (scan.data.astype(int) + 1).sum(axis=(1, 2))
    )
