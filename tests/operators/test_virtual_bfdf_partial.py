"""Virtual bright and dark field: raw sums inside a disk and a ring."""

import numpy as np
import pytest
from interact.testing import run, sparse

BEAM = {"center_y": 5.5, "center_x": 21.0, "radius": 4.0}


def squared_distance():
    y, x = np.ogrid[:18, :30]
    return (y - 5.5) ** 2 + (x - 21) ** 2


def masked_sums(scan, use):
    return (scan.data.astype(np.int64) * use).sum(axis=(1, 2))


@pytest.mark.parametrize("convert", [lambda s: s, sparse], ids=["dense", "sparse"])
def test_disk_and_ring_are_exact_integers(shipped, uneven, convert):
    values = run(shipped("virtual-bfdf-partial"), convert(uneven), **BEAM, inner=4.5, outer=9.5)

    r = squared_distance()
    assert values.bright.dtype == values.dark.dtype == np.int64
    np.testing.assert_array_equal(values.bright, masked_sums(uneven, r <= 4**2))
    np.testing.assert_array_equal(values.dark, masked_sums(uneven, (r > 4.5**2) & (r <= 9.5**2)))
    assert values.units == {"bright": "counts", "dark": "counts"}


def test_without_radii_the_ring_takes_all_that_the_disk_leaves(shipped, uneven):
    values = run(shipped("virtual-bfdf-partial"), uneven, **BEAM)

    np.testing.assert_array_equal(values.bright + values.dark, uneven.data.sum(axis=(1, 2)))
    assert values.dark.sum() > 0


def test_a_pixel_on_the_edge_belongs_to_the_disk(shipped, uneven):
    disk = {"center_y": 5, "center_x": 21, "radius": 4}

    values = run(shipped("virtual-bfdf-partial"), uneven, **disk)

    y, x = np.ogrid[:18, :30]
    inside = (y - 5) ** 2 + (x - 21) ** 2 <= 16
    np.testing.assert_array_equal(values.bright, masked_sums(uneven, inside))


@pytest.mark.parametrize("convert", [lambda s: s, sparse], ids=["dense", "sparse"])
def test_masked_pixels_count_for_neither(shipped, uneven, tmp_path, convert):
    use = np.random.default_rng(0).random((18, 30)) > 0.3
    np.save(tmp_path / "mask.npy", use)

    values = run(
        shipped("virtual-bfdf-partial"), convert(uneven), **BEAM, mask=tmp_path / "mask.npy"
    )

    r = squared_distance()
    np.testing.assert_array_equal(values.bright, masked_sums(uneven, use & (r <= 16)))
    np.testing.assert_array_equal(values.dark, masked_sums(uneven, use & (r > 16)))


def test_the_centre_must_be_given(shipped):
    required = {p.name for p in shipped("virtual-bfdf-partial").parameters if p.required}

    assert required == {"center_y", "center_x", "radius"}
