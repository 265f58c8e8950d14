"""Two thousand external runs at once: in order, never more than the cap, in little memory."""

import pytest

from benchmarks import external

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

CAP = 50
MOST_WRITES = 10
"""To the API server for each run: about seven are needed, the rest is for what is asked twice."""


def test_two_thousand_runs_come_in_order_and_never_more_than_the_cap():
    found = external.found(external.RUNS, CAP)

    assert found.failed == 0
    assert found.most <= CAP, "jobs at once, as the service counts them"
    assert (found.again, found.out_of_order) == (0, 0)
    assert found.memory_mib <= external.MEMORY_MIB
    assert found.writes <= MOST_WRITES
    print(f"{found.seconds:.0f} s, {found.memory_mib:.0f} MiB, {found.writes:.2f} writes a run")
