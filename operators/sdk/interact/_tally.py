"""What an operator process counts and tells, twice a second."""

import logging
import os
from collections.abc import Callable

from interact_api import report
from interact_api.report import Report, ScanReport

MOST_WORDS = 20
MOST_SCANS = 16


class Tally:
    """One replica's counters; `report` is the only way they are read."""

    def __init__(self, operator: str, replica: int, role: str, run: str = "") -> None:
        self._fixed = {
            "operator": operator, "replica": replica, "pid": os.getpid(), "role": role, "run": run,
        }  # fmt: skip
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
        self._scans: dict[str, ScanReport] = {}
        self._warnings: list[str] = []
        self._errors: list[str] = []

    def received(self, frames: int, size: int, seconds: float) -> None:
        """One message went through the kernel."""
        self.messages_in += 1
        self.frames_in += frames
        self.bytes_in += size
        self.kernel_seconds += seconds

    def sent(self, frames: int, size: int) -> None:
        """One message left."""
        self.messages_out += 1
        self.frames_out += frames
        self.bytes_out += size

    def scan(self, name: str, entry: ScanReport) -> None:
        """How far a scan is; the latest few are told."""
        self._scans.pop(name, None)
        self._scans[name] = entry
        if len(self._scans) > MOST_SCANS:
            del self._scans[next(iter(self._scans))]

    def warn(self, text: str) -> None:
        """Something a person should know; the run goes on."""
        if text not in self._warnings and len(self._warnings) < MOST_WORDS:
            self._warnings.append(text)

    def fail(self, text: str, frames: int = 1) -> None:
        """Frames failed; the first few reasons are told."""
        self.frames_failed += frames
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
        )


class Listener(logging.Handler):
    """Carries warnings that anything logs into the tally."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        self._tally.warn(record.getMessage())
