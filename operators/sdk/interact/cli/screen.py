"""What a person sees while a run goes on: a live table, or plain lines."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from interact_api.board import Board, ScanView
from interact_api.records import OperatorRecord
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from interact._tasks import wanted
from interact.cli import troubles

LIVE_SECONDS = 0.25
PLAIN_SECONDS = 2.0
MOST_BARS = 8


class Screen(Protocol):
    """Where a run shows itself."""

    def say(self, line: str) -> None:
        """Tell one line."""

    async def follow(self, board: Callable[[], Board]) -> None:
        """Show the state of a run until cancelled."""


class PlainScreen:
    """Lines, for logs and for programs that read along."""

    def __init__(self, console: Console, *, seconds: float = PLAIN_SECONDS) -> None:
        self._console = console
        self._seconds = seconds
        self._since = time.monotonic()

    def say(self, line: str) -> None:
        """Tell one line, with the seconds since the start where it begins."""
        first, *rest = line.splitlines() or [""]
        self._print(f"{time.monotonic() - self._since:7.1f} s  {first}")
        for more in rest:
            self._print(f"{'':11}{more}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    async def follow(self, board: Callable[[], Board]) -> None:
        """One line for each open scan, and one for what is pending; what is abnormal is told once."""
        known: set[str] = set()
        while wanted():
            await asyncio.sleep(self._seconds)
            for line in progress_lines(board()):
                self.say(line)
            abnormal = {line.partition(":")[0]: line for line in troubles.lines(board())}
            for title in abnormal.keys() - known:
                self.say(abnormal[title])
            known = set(abnormal)


class LiveScreen:
    """A table of the operators with a bar for each open scan, drawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Tell one line above the table."""
        self._console.print(line, markup=False, highlight=False)

    async def follow(self, board: Callable[[], Board]) -> None:
        """Draw four times a second."""
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            with suppress(asyncio.CancelledError):
                while wanted():
                    live.update(picture(board()), refresh=True)
                    await asyncio.sleep(LIVE_SECONDS)
            live.update(picture(board()), refresh=True)


def progress_lines(board: Board) -> list[str]:
    """The open scans, or what the operators do where there is none."""
    several = len(board.pipelines) > 1
    lines = []
    for scan in open_scans(board):
        records = board.of(scan.pipeline)
        rate = sum(record.rates()[0] for record in records if record.is_source)
        waiting = sum(record.waiting for record in records)
        failed = sum(record.failed for record in records)
        lines.append(
            f"scan {_title(scan, several=several)}  {100 * scan.covered / max(scan.total, 1):5.1f} %"
            f"  {scan.covered:>9,} of {scan.total:>9,} frames  {rate:>8,.0f} frames/s"
            f"  {waiting:>6,} pending  {failed:>6,} failed"
        )
    complete = sum(scan.complete for scan in board.scans())
    if not lines and complete:
        lines.append(f"{complete:,} scan{'' if complete == 1 else 's'} complete, none under way")
    elif not lines:
        ready = sum(record.ready for record in board.operators.values())
        total = sum(len(record.replicas) for record in board.operators.values())
        lines.append(f"{ready} of {total} replicas ready, no scan under way")
    return lines


def open_scans(board: Board) -> list[ScanView]:
    """Scans that are not complete, the latest few."""
    return [scan for scan in board.scans() if not scan.complete][-MOST_BARS:]


def _title(scan: ScanView, *, several: bool) -> str:
    name = scan.id.partition("-")[2] or scan.id  # without the nonce of the run
    return f"{scan.pipeline}/{name}" if several else name


def picture(board: Board) -> Group:
    """The table and the bars."""
    several = len(board.pipelines) > 1
    table = Table(box=None, pad_edge=False)
    table.add_column("operator")
    for title in ("ready", "frames", "frames/s", "MB/s", "pending", "failed"):
        table.add_column(title, justify="right")
    for (pipeline, operator), record in board.operators.items():
        table.add_row(f"{pipeline}/{operator}" if several else operator, *_row(record))
    bars = Table(box=None, pad_edge=False, show_header=False)
    for scan in open_scans(board):
        bars.add_row(
            _title(scan, several=several),
            ProgressBar(total=max(scan.total, 1), completed=scan.covered, width=40),
            f"{100 * scan.covered / max(scan.total, 1):.1f} %",
        )
    return Group(table, bars, *map(Text, troubles.lines(board)))


def _row(record: OperatorRecord) -> Sequence[str]:
    frames, size = record.rates()
    return (
        f"{record.ready}/{len(record.replicas)}",
        f"{record.frames:,}",
        f"{frames:,.0f}",
        f"{size / 1e6:,.1f}",
        f"{record.waiting:,}",
        f"[red]{record.failed:,}[/red]" if record.failed else "0",
    )
