"""What an operator process counts and tells, twice a second."""

import logging
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from time import time

from interact_api import report
from interact_api.buckets import SECONDS, Histogram
from interact_api.report import Report, ScanReport

MOST_WORDS = 20
MOST_SCANS = 16
ERROR_KINDS = ("exception", "crash", "timeout", "transient", "undecodable", "too-large", "external")
"""Why frames are kept aside; dead letters and metrics have the same words."""


class Tally:
    """One replica's counters; `report` is the only way they are read."""

    def __init__(self, operator: str, replica: int, role: str, run: str = "") -> None:
        self._fixed = {
            "operator": operator, "replica": replica, "pid": os.getpid(), "role": role, "run": run,
        }  # fmt: skip
        self.operator = operator
        self.replica = replica
        self.state = "starting"
        self.waits_for = ""
        """What a process that has not begun waits for, in words."""
        self.revision = 0
        self.refused: dict[str, str] = {}
        self.frames_in = self.frames_out = 0
        self.bytes_in = self.bytes_out = 0
        self.messages_in = self.messages_out = 0
        self.frames_failed = self.undecodable = self.redelivered = self.unkept = 0
        self.kernel_seconds = 0.0
        self.blocked: Callable[[], float] = float
        self.scans_complete = 0
        self.breaker = ""
        self.dead_letters_full = False
        self.dropped: dict[str, int] = {}
        self._dropped: dict[str, float] = {}
        self.failures: dict[str, int] = dict.fromkeys(ERROR_KINDS, 0)
        """Frames that failed, by kind."""
        self.ports_in: dict[str, list[int]] = defaultdict(_none)
        self.ports_out: dict[str, list[int]] = defaultdict(_none)
        """Frames and bytes by port."""
        self.durations = Histogram()
        """Seconds of work on a message."""
        self.delays = Histogram()
        """Seconds from the source to here, message by message."""
        self._durations, self._delays = self.durations.counts, self.delays.counts
        self.inflight: Callable[[], int] = int
        """Messages that were taken and not answered, or sent and not stored."""
        self.triggers: dict[str, int] = {}
        """Calls of triggers by what became of them."""
        self._scans: dict[str, ScanReport] = {}
        self._warnings: list[str] = []
        self._errors: list[str] = []

    def received(
        self, frames: int, size: int, seconds: float, port: str = "", made_at: float = 0.0
    ) -> None:
        """One message went through the kernel.

        Args:
            frames: In it.
            size: Its bytes.
            seconds: Of work.
            port: It came in at.
            made_at: When the source made its frames, seconds since 1970; 0 if nobody said.
        """
        self.messages_in += 1
        self.frames_in += frames
        self.bytes_in += size
        self.kernel_seconds += seconds
        self._durations[bisect_left(SECONDS, seconds)] += 1  # the sum is that of kernel_seconds
        if made_at:
            delay = time() - made_at
            if delay > 0:  # clocks differ
                self._delays[bisect_left(SECONDS, delay)] += 1
                self.delays.total += delay
            else:
                self._delays[0] += 1
        counts = self.ports_in[port]
        counts[0] += frames
        counts[1] += size

    def joined(self, port: str, frames: int, size: int) -> None:
        """Another half of the message that was received: the same frames, more bytes."""
        self.bytes_in += size
        counts = self.ports_in[port]
        counts[0] += frames
        counts[1] += size

    def sent(self, frames: int, size: int, port: str = "") -> None:
        """One message left."""
        self.messages_out += 1
        self.frames_out += frames
        self.bytes_out += size
        counts = self.ports_out[port]
        counts[0] += frames
        counts[1] += size

    def scan(self, name: str, entry: ScanReport) -> None:
        """How far a scan is; the latest few are told."""
        self._scans.pop(name, None)
        self._scans[name] = entry
        if len(self._scans) > MOST_SCANS:
            del self._scans[next(iter(self._scans))]

    @property
    def completeness(self) -> float | None:
        """Share of the scan told of last that is accounted for; None before the first."""
        if not self._scans:
            return None
        last = self._scans[next(reversed(self._scans))]
        return last.covered / last.total if last.total else 1.0

    def triggered(self, outcome: str) -> None:
        """A call of a trigger was answered."""
        self.triggers[str(outcome)] = self.triggers.get(str(outcome), 0) + 1

    def drop(self, reason: str, count: float) -> None:
        """So many were left out on purpose."""
        self._dropped[reason] = self._dropped.get(reason, 0.0) + count
        self.dropped[reason] = round(self._dropped[reason])

    def warn(self, text: str) -> None:
        """Something a person should know; the run goes on."""
        if text not in self._warnings and len(self._warnings) < MOST_WORDS:
            self._warnings.append(text)

    def fail(self, text: str, frames: int = 1, kind: str = "exception") -> None:
        """Frames failed; the first few reasons are told. ``kind`` is one of `ERROR_KINDS`."""
        self.frames_failed += frames
        self.failures[kind] = self.failures.get(kind, 0) + frames
        if text not in self._errors and len(self._errors) < MOST_WORDS:
            self._errors.append(text)

    def report(self) -> bytes:
        """Everything counted, as it is told."""
        return report.encode(self.snapshot())

    def snapshot(self) -> Report:
        """Everything counted."""
        return Report(
            **self._fixed,  # type: ignore[arg-type]  # five names of Report, checked by it
            state=self.state,
            frames_in=self.frames_in,
            frames_out=self.frames_out,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            messages_in=self.messages_in,
            messages_out=self.messages_out,
            frames_failed=self.frames_failed,
            undecodable=self.undecodable,
            redelivered=self.redelivered,
            unkept=self.unkept,
            kernel_seconds=round(self.kernel_seconds, 6),
            blocked_seconds=round(self.blocked(), 3),
            scans=dict(self._scans),
            scans_complete=self.scans_complete,
            warnings=tuple(self._warnings),
            errors=tuple(self._errors),
            revision=self.revision,
            refused=dict(self.refused),
            breaker=self.breaker,
            dead_letters_full=self.dead_letters_full,
            dropped=dict(self.dropped),
            triggers=dict(self.triggers),
            durations=self.durations.told(),
            delays=self.delays.told(),
        )


def _none() -> list[int]:
    return [0, 0]


class Listener(logging.Handler):
    """Carries warnings that anything logs into the tally."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        self._tally.warn(record.getMessage())
