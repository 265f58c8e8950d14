"""What a sink takes: a partial result only until the whole one has come."""

import numpy as np
import pytest
from interact import Image, Scan
from interact._collecting import Collecting
from interact._coverage import Ledger
from interact._tally import Tally

LANE = ("total.out", "given")
OTHER = ("mean.out", "given")
SCAN = Scan("a", (2, 3))


def picture(stop):
    return Image(scan=SCAN, start=0, stop=stop, channels={"c": np.zeros((2, 3))})


@pytest.mark.parametrize("lanes", [[LANE], [LANE, OTHER]], ids=["alone", "another still open"])
def test_a_partial_result_is_outdated_once_the_whole_one_has_come(lanes):
    collecting = Collecting(Ledger(lanes), Tally("kept", 0, "sink"))
    partial, whole = picture(0), picture(6)

    before = collecting.outdated(LANE, partial)
    assert collecting.fresh(LANE, whole) is not None
    collecting.mark(LANE, whole)

    assert not before
    assert collecting.outdated(LANE, partial)
    assert not collecting.outdated(LANE, partial, edition=1), "a correction is on its way"
    assert collecting.outdated(OTHER, partial) == (lanes == [LANE]), "others are not concerned"
