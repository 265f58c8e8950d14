"""Shipped operators joined over a real nats-server, some of them in several replicas."""

import numpy as np
import pytest
from interact import Image, Scan
from interact.testing import pipeline
from interact_stem.planted import Planted

pytestmark = pytest.mark.nats


def final(arrived):
    (image,) = [part for part in arrived if isinstance(part, Image) and part.final]
    return image


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_the_planted_field_comes_back_through_replicas(shipped, sparse):
    planted = Planted((6, 10), (40, 64), 100, sparse, per_message=60)
    (scan,) = planted.batches(Scan("planted", (6, 10)))

    image = final(
        pipeline(
            scan,
            shipped("center-of-mass-partial"),
            shipped("center-of-mass-reduce"),
            replicas={"center-of-mass-partial": 2},
        )
    )

    shift_y, shift_x = planted.shifts(scan.index)
    np.testing.assert_array_equal(image.channels["y"].ravel(), planted.center[0] + shift_y)
    np.testing.assert_array_equal(image.channels["x"].ravel(), planted.center[1] + shift_x)
    assert (image.completeness, image.missing) == (1.0, {})


def test_counted_and_binned_frames_add_up_to_their_pattern(shipped, uneven):
    image = final(
        pipeline(
            uneven,
            shipped("electron-count"),
            shipped("bin-sparse-partial"),
            shipped("diffraction-pattern-accumulator"),
            parameters={"electron-count": {"background": 2.0}, "bin-sparse-partial": {"factor": 3}},
        )
    )

    events = shipped("electron-count")(uneven, background=2.0)
    pattern = np.zeros((6, 10), np.int64)
    np.add.at(pattern, (events.rows // 3, events.columns // 3), 1)
    np.testing.assert_array_equal(image.channels["sum"], pattern)


def test_a_bright_field_picture_has_every_position(shipped, uneven):
    beam = {"center_y": 5.0, "center_x": 21.0, "radius": 4.5}

    image = final(
        pipeline(
            uneven,
            shipped("virtual-bfdf-partial"),
            shipped("scan-image"),
            parameters={"virtual-bfdf-partial": beam, "scan-image": {"title": "Detectors"}},
        )
    )

    both = image.channels["bright"] + image.channels["dark"]
    np.testing.assert_array_equal(both, uneven.data.sum(axis=(1, 2)).reshape(4, 6))
    assert image.attributes["title"] == "Detectors"
