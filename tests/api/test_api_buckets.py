"""Histograms: what is counted adds up, and quantiles lie where the values do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import buckets
from interact_api.buckets import SECONDS, Histogram, added, quantile, since

SOME = st.lists(st.floats(0, 1000), min_size=1, max_size=40)


def counted(values) -> Histogram:
    found = Histogram()
    for one in values:
        found.observe(one)
    return found


@given(SOME, SOME)
def test_histograms_of_two_replicas_add_up_to_that_of_all(first, second):
    both = added((counted(first).told(), counted(second).told()))

    assert both == counted([*first, *second]).told()
    assert (
        since(both, counted(first).told())[: len(counted(second).told())] == counted(second).told()
    )


@given(SOME, st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_value_it_stands_for(values, share):
    ranked = sorted(values)
    value = ranked[max(math.ceil(len(values) * share) - 1, 0)]

    found = quantile(counted(values).counts, share)

    high = min((bound for bound in SECONDS if bound >= value), default=SECONDS[-1])
    low = max((bound for bound in SECONDS if bound < value), default=0.0)
    assert found is not None
    assert min(low, SECONDS[-1]) - 1e-9 <= found <= high + 1e-9


def test_nothing_counted_has_no_quantile():
    assert quantile((), 0.5) is None
    assert Histogram().told() == ()


@pytest.mark.parametrize("value", [0.0, SECONDS[0], 1e9], ids=["zero", "a bound", "beyond all"])
def test_every_value_is_counted_once(value):
    found = counted([value])

    assert sum(found.counts) == 1
    assert buckets.trimmed(found.counts)[-1] == 1
