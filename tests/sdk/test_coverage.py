"""The bitmaps that say which frames have come."""

import numpy as np
import pytest
from interact import Progress, Scan, Tombstone
from interact._batches import Batch
from interact._coverage import CORRECTABLE_SCANS, Ledger

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


def failed(*frames):
    return tuple(Tombstone("failed", frame, frame + 1) for frame in frames)


def test_a_frame_that_failed_is_fresh_in_a_newer_edition_only():
    _, scan = opened(LEFT)
    scan.mark(LEFT, part(0, 15, *failed(3, 9)))

    assert scan.fresh(LEFT, part(3, 4)) is None
    assert np.array_equal(scan.fresh(LEFT, part(3, 4), 1), [True])
    assert np.array_equal(scan.fresh(LEFT, part(2, 5), 1), [False, True, False])
    assert scan.fresh(LEFT, part(3, 4, *failed(3)), 1) is None, "it failed again"
    assert scan.fresh(LEFT, part(4, 5), 1) is None, "it was there before"
    assert np.array_equal(scan.fresh(LEFT, part(9, 10, Tombstone("filtered", 9, 10)), 1), [])


def test_a_frame_that_came_again_is_missing_no_more_and_comes_once():
    _, scan = opened(LEFT)
    scan.mark(LEFT, part(0, 15, *failed(3, 9)))

    scan.mark(LEFT, part(3, 4), 1)
    scan.mark(LEFT, part(9, 10, Tombstone("filtered", 9, 10)), 2)

    assert (scan.progress, scan.missing, scan.lacks) == (15, {"filtered": 1}, False)
    assert scan.fresh(LEFT, part(3, 4), 2) is None


@pytest.mark.parametrize("order", [(LEFT, RIGHT), (RIGHT, LEFT)], ids=["left first", "right first"])
def test_a_frame_that_failed_on_two_lanes_is_there_when_both_have_it(order):
    _, scan = opened(LEFT, RIGHT)
    scan.mark(LEFT, part(0, 15, *failed(3, 7)))
    scan.mark(RIGHT, part(0, 15, *failed(3), Tombstone("filtered", 7, 8)))
    assert scan.missing == {"failed": 1, "filtered": 1}

    scan.mark(order[0], part(3, 4), 1)
    assert scan.missing == {"failed": 1, "filtered": 1}
    scan.mark(order[1], part(3, 4), 1)
    scan.mark(LEFT, part(7, 8), 1)

    assert scan.missing == {"filtered": 1}, "the other lane has left frame 7 out for good"


def test_a_frame_sent_again_may_overtake_the_word_that_it_failed():
    _, scan = opened(LEFT)
    scan.mark(LEFT, part(3, 4), 1)

    assert np.array_equal(scan.fresh(LEFT, part(0, 5, *failed(3))), [True, True, True, True])
    scan.mark(LEFT, part(0, 5, *failed(3)))

    assert (scan.progress, scan.missing) == (5, {})


def test_scans_that_lack_failed_frames_stay_correctable_up_to_a_bound():
    ledger = Ledger([LEFT])
    for number in range(CORRECTABLE_SCANS + 2):
        batch = Batch(scan=Scan(f"t-{number}", (3, 5)), start=0, stop=15, tombstones=failed(3))
        ledger.scan(LEFT, batch).mark(LEFT, batch)
        ledger.close(batch.scan.id, "given")
    whole = part(0, 15)
    ledger.scan(LEFT, whole).mark(LEFT, whole)
    ledger.close("s-0", "given")

    assert list(ledger.correctable) == [f"t-{n}" for n in range(2, CORRECTABLE_SCANS + 2)]
    assert list(ledger.sealed) == ["t-0", "t-1"]


def test_a_result_of_a_newer_edition_replaces_the_one_before():
    ledger = Ledger([LEFT])
    assert ledger.replaces(LEFT, part(0, 15), 1)
    assert not ledger.replaces(LEFT, part(0, 14), 1), "that is a frame, not a result"
    assert not ledger.replaces(LEFT, part(0, 15), 0)

    ledger.replaced(LEFT, "s-0", 2)

    assert not ledger.replaces(LEFT, part(0, 15), 2)
    assert ledger.replaces(LEFT, part(0, 15), 3)
    assert ledger.replaces(RIGHT, part(0, 15), 1), "another lane has its own"
    assert (ledger.next_edition("s-0", 1), ledger.next_edition("s-0", 1)) == (1, 2)
