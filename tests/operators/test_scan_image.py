"""Pictures of values, one pixel a position."""

import numpy as np
from interact.testing import run


def test_every_column_becomes_a_channel_and_gaps_are_nan(shipped, uneven):
    values = uneven.values({"bright": "counts"}, bright=np.arange(24), ratio=np.arange(24) / 7)
    keep = np.arange(24) != 8

    image = run(shipped("scan-image"), values.select(keep), title="Bright field", note="simulated")

    expected = np.where(keep, np.arange(24.0), np.nan).reshape(4, 6)
    np.testing.assert_array_equal(image.channels["bright"], expected)
    np.testing.assert_array_equal(image.channels["ratio"], expected / 7)
    assert image.units == {"bright": "counts"}
    assert image.attributes == {"title": "Bright field", "note": "simulated"}
    assert image.missing == {"filtered": 1}


def test_words_left_out_are_not_attributes(shipped, uneven):
    image = run(shipped("scan-image"), uneven.values(a=np.arange(24)))

    assert image.attributes == {}
