"""What operator processes tell, gathered on a board for each pipeline; bounded."""

import time
from collections.abc import Callable
from typing import Final

from interact_api.board import Board
from interact_api.report import Report

from interact_controller.seen import Key, Kind

QUIET_SECONDS: Final = 15.0
"""Silence of all counters after which nobody looks any more, until frames move again."""


class Reports:
    """The Reports port: boards of the pipelines that were asked for, and no others.

    Args:
        wake: Called with a pipeline's key when its reports say more than counters.
        now: Seconds since the epoch.
    """

    def __init__(self, wake: Callable[[Key], None], now: Callable[[], float] = time.time) -> None:
        self._wake = wake
        self._now = now
        self._boards: dict[tuple[str, str], Board] = {}

    def board(self, namespace: str, pipeline: str) -> Board:
        """The board of a pipeline, empty at first."""
        return self._boards.setdefault((namespace, pipeline), Board())

    def forget(self, namespace: str, pipeline: str) -> None:
        """Drop the board of a pipeline that is gone."""
        self._boards.pop((namespace, pipeline), None)

    def hear(self, namespace: str, pipeline: str, report: Report) -> None:
        """Take one report; those of pipelines nobody asked for are left out."""
        board = self._boards.get((namespace, pipeline))
        if board is None:
            return
        now, moved_at = self._now(), board.frames_moved_at
        news = board.hear(pipeline, report, now)
        flows_again = board.frames_moved_at != moved_at and now - moved_at > QUIET_SECONDS
        if news or flows_again:
            self._wake(Key(Kind.PIPELINE, namespace, pipeline))
