"""Larger pixels for counted events."""

import numpy as np
import pytest
from interact import Calibration, Scan
from interact.testing import run, sparse


def images(batch):
    out = np.zeros((len(batch), *batch.shape), np.int64)
    frame = np.repeat(np.arange(len(batch)), batch.events)
    np.add.at(out, (frame, batch.rows, batch.columns), 1 if batch.counts is None else batch.counts)
    return out


@pytest.mark.parametrize("factor", [1, 2, 4, 7])
def test_blocks_are_summed_and_a_ragged_edge_dropped(shipped, uneven, factor):
    binned = run(shipped("bin-sparse-partial"), sparse(uneven), factor=factor)

    rows, columns = 18 // factor, 30 // factor
    whole = uneven.data[:, : rows * factor, : columns * factor].astype(np.int64)
    blocks = whole.reshape(24, rows, factor, columns, factor).sum(axis=(2, 4))
    assert binned.shape == (rows, columns)
    np.testing.assert_array_equal(images(binned), blocks)


def test_the_calibration_follows(shipped, uneven):
    known = Calibration(pixel=(0.5, 0.25), pixel_unit="mrad", rotation=3.0)
    scan = uneven.replace(scan=Scan("uneven", (4, 6), calibration=known))

    binned = run(shipped("bin-sparse-partial"), sparse(scan), factor=4)

    assert binned.scan.calibration == Calibration(pixel=(2.0, 1.0), pixel_unit="mrad", rotation=3.0)


def test_the_centre_of_mass_moves_by_the_rule(shipped, uneven):
    even = uneven.dense(uneven.data[:, :, :28].copy())  # 18 × 28: no ragged edge for 2
    moments = run(shipped("center-of-mass-partial"), sparse(even)).columns
    binned = run(shipped("bin-sparse-partial"), sparse(even), factor=2)

    found = run(shipped("center-of-mass-partial"), binned).columns

    there = moments["total"] > 0
    before = moments["moment_x"][there] / moments["total"][there]
    after = found["moment_x"][there] / found["total"][there]
    residual = (after - ((before + 0.5) / 2 - 0.5)).mean()
    assert abs(residual) < 0.02  # odd and even columns share the events unevenly
