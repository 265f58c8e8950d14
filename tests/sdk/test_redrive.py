"""Frames that failed are sent again, and the results they belong to are corrected."""

import numpy as np
import pytest
from interact.testing import frames
from sdk.redriving import POISON, at_work, fragile, totals

pytestmark = pytest.mark.nats

SCAN = frames(shape=(25, 40, 8, 12), disk=(3, 7, 2))
SUMS = SCAN.data.sum(axis=(1, 2)).astype(int).reshape(25, 40)
CHAIN = [
    ("given.out", "fragile.part"),
    ("fragile.out", "totals.part"),
    ("totals.out", "collect.part"),
]


def picture(image):
    return image.channels["sum"]


async def test_a_poisoned_frame_in_a_thousand_comes_back_once_the_parameter_is_mended(server):
    operators = fragile(), totals()
    async with at_work(server, "thousand", SCAN, *operators, edges=CHAIN) as work, work.start():
        await work.run.until("collect", lambda told: told.state == "done")
        [first] = work.results
        [letter] = await work.letters()
        await work.live.set_and_heard("fragile", tough=True)

        assert await work.redrive() == [""]
        await work.settle(lambda: len(work.results) == 2)
        left = await work.letters()

    assert np.isnan(picture(first).ravel()[POISON]) or picture(first).ravel()[POISON] == 0
    assert first.missing == {"failed": 1}
    assert (letter.operator, letter.frames, letter.kind) == ("fragile", str(POISON), "exception")
    second = work.results[1]
    assert np.array_equal(picture(second), SUMS)
    assert (second.completeness, second.missing) == (1.0, {})
    assert left == []
