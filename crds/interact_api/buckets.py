"""Histograms with fixed buckets: cheap to count, exact to add up, told as plain numbers. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0,
)  # fmt: skip
"""Upper bounds of all buckets but the last, which has none: three a decade, quantiles within 2.5 times."""


class Histogram:
    """Counts of seconds by bucket, and their sum; an observation costs 0.2 µs."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def told(self) -> tuple[int, ...]:
        """The counts up to the last bucket that has any; empty where nothing was counted.

        >>> one = Histogram()
        >>> one.observe(0.0002)
        >>> one.told()
        (0, 1)
        """
        return trimmed(self.counts)


def trimmed(counts: Sequence[int]) -> tuple[int, ...]:
    """Counts without the empty buckets at their end."""
    size = len(counts)
    while size and not counts[size - 1]:
        size -= 1
    return tuple(counts[:size])


def added(parts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The sum of several, bucket by bucket.

    >>> added([(1, 2), (), (0, 0, 5)])
    (1, 2, 5)
    """
    found: list[int] = []
    for counts in parts:
        found += [0] * (len(counts) - len(found))
        for number, count in enumerate(counts):
            found[number] += count
    return tuple(found)


def since(now: Sequence[int], before: Sequence[int]) -> tuple[int, ...]:
    """What was counted between two looks; never negative."""
    padded = [*before, *[0] * (len(now) - len(before))]
    return tuple(max(count - former, 0) for count, former in zip(now, padded, strict=False))


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The value below which a share of the observations lies; None without any.

    Inside a bucket the values count as spread evenly; beyond the last bound it gives that bound.

    >>> quantile((0, 0, 0, 0, 4), 0.5)
    0.00175
    """
    whole = sum(counts)
    if not whole:
        return None
    rank, below = share * whole, 0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            if number >= len(SECONDS):
                break
            low = SECONDS[number - 1] if number else 0.0
            return low + (SECONDS[number] - low) * max(rank - below, 0.0) / count
        below += count
    return SECONDS[-1]
