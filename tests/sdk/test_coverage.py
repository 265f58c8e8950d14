"""The bitmaps that say which frames have come."""

import numpy as np
import pytest
from interact import Progress, Scan, Tombstone
from interact._batches import Batch
from interact._coverage import Ledger

SCAN = Scan("s-0", (3, 5))
LEFT, RIGHT = ("left.out", "given>left.out"), ("right.out", "given>right.out")


def part(start, stop, *tombstones) -> Batch:
    return Batch(scan=SCAN, start=start, stop=stop, tombstones=tombstones)


def opened(*lanes):
    ledger = Ledger(lanes)
    return ledger, ledger.scan(lanes[0], part(0, 15))


def test_a_scan_is_complete_when_every_lane_has_every_frame():
    _, scan = opened(LEFT, RIGHT)
    scan.mark(LEFT, part(0, 15))
    scan.mark(RIGHT, part(4, 15))
    assert (scan.progress, scan.complete) == (11, False)

    scan.mark(RIGHT, part(0, 4))

    assert (scan.progress, scan.complete) == (15, True)


def test_only_frames_that_have_not_come_are_fresh():
    _, scan = opened(LEFT)
    scan.mark(LEFT, part(3, 8))

    fresh = scan.fresh(LEFT, part(5, 12, Tombstone("filtered", 6, 7)))

    assert np.array_equal(fresh, [False, False, True, True, True, True])
    assert scan.fresh(LEFT, part(4, 8)) is None


def test_a_message_that_comes_twice_counts_once():
    _, scan = opened(LEFT)
    for _ in range(2):
        scan.mark(LEFT, part(2, 9, Tombstone("failed", 3, 5)))

    assert (scan.progress, scan.missing) == (7, {"failed": 2})


@pytest.mark.parametrize("order", [(LEFT, RIGHT), (RIGHT, LEFT)], ids=["in order", "reversed"])
def test_a_frame_missing_on_two_lanes_is_one_missing_frame(order):
    _, scan = opened(LEFT, RIGHT)
    for lane in order:
        scan.mark(lane, part(0, 10, Tombstone("overrun", 2, 6)))
        scan.mark(lane, part(10, 15))

    progress = Progress(SCAN, scan.progress, scan.total, scan.missing)
    assert scan.missing == {"overrun": 4}
    assert progress.fraction == 11 / 15


def test_a_frame_that_one_lane_lacks_is_missing():
    _, scan = opened(LEFT, RIGHT)
    scan.mark(LEFT, part(0, 15, Tombstone("filtered", 2, 6)))
    scan.mark(RIGHT, part(0, 15, Tombstone("failed", 5, 8)))

    assert scan.missing == {"filtered": 4, "failed": 2}


def test_the_part_that_is_there_is_never_less_than_nothing():
    _, scan = opened(LEFT, RIGHT)
    scan.mark(LEFT, part(0, 15, Tombstone("filtered", 2, 6)))

    assert Progress(SCAN, scan.progress, scan.total, scan.missing).fraction == 0.0


def test_a_scan_that_is_over_is_not_opened_again():
    ledger, scan = opened(LEFT)
    scan.mark(LEFT, part(0, 15))
    ledger.close("s-0", "given")

    assert ledger.scan(LEFT, part(0, 15)) is None
    assert not ledger.done, "the source has not said how many scans it makes"
    ledger.end("given", 1)
    assert ledger.done


def test_all_sources_must_have_ended():
    other = ("other.out", "other")
    ledger, scan = opened(LEFT, other)
    scan.mark(LEFT, part(0, 15))
    assert scan.complete, "the lanes of another source have nothing to do with this scan"
    ledger.close("s-0", "given")

    ledger.end("given", 1)
    assert not ledger.done
    ledger.end("other", 0)
    assert ledger.done
