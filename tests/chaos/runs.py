"""A run of the pipeline as rows see it: what was sent and kept, what processes tell, what must hold."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import Batch
from interact_api import report
from interact_api.report import Report
from interact_api.wire import Header

from chaos import pipeline
from chaos.pipeline import Setup

PATIENCE = 60.0
"""Longest wait for anything: many times what it takes, for the machine may be busy."""
LINE: np.dtype[Any] = pipeline.operators()["kept"].function.__globals__["LINE"]
Replica = tuple[str, int]
Picture = tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]
"""Its channels, and what it says."""


class Run(ABC):
    """One run, on whatever it runs.

    Attributes:
        setup: How.
        folder: Where its source and its sink write.
        told: The last report of each replica.
    """

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self.folder = folder
        self.told: dict[Replica, Report] = {}
        self.news = asyncio.Event()

    # -- what a row does ----------------------------------------------------------------------------

    @abstractmethod
    async def kill(self, operator: str, *replicas: int) -> None:
        """kill -9 of these replicas, or of all; they are started again."""

    @abstractmethod
    async def update(self, operator: str) -> None:
        """End every replica with time to finish, and start it again, as a rolling update does."""

    @abstractmethod
    async def kill_nats(self) -> None:
        """kill -9 of nats-server; it is started again at the same address with its files."""

    def open(self) -> None:
        """Let the source on."""
        (self.folder / "open").touch()

    # -- what a row sees ----------------------------------------------------------------------------

    @property
    def sent(self) -> npt.NDArray[np.int64]:
        """Scan and number of each frame the source yielded, in its order, shape (n, 2)."""
        with suppress(FileNotFoundError):
            raw = (self.folder / "sent").read_bytes()
            return np.frombuffer(raw[: len(raw) // 16 * 16], "<i8").reshape(-1, 2)
        return np.empty((0, 2), np.int64)

    @property
    def kept(self) -> npt.NDArray[Any]:
        """What the sink wrote down, one line for each frame each time it came."""
        with suppress(FileNotFoundError):
            raw = (self.folder / "kept").read_bytes()
            return np.frombuffer(raw[: len(raw) // LINE.itemsize * LINE.itemsize], LINE)
        return np.empty(0, LINE)

    @property
    def done(self) -> float:
        """Part of the first scan that the sink has."""
        first = self.kept
        return len(np.unique(first["index"][first["scan"] == 0])) / self.setup.total

    def picture(self, ordinal: int = 0) -> Picture:
        """The last picture the sink kept of a scan."""
        stem = self.folder / f"picture-{ordinal}"
        with np.load(stem.with_suffix(".npz")) as arrays:
            channels = {name: arrays[name] for name in arrays.files}
        return channels, json.loads(stem.with_suffix(".json").read_text())

    def tells(self, operator: str, replica: int = 0) -> Report | None:
        """What a replica told last."""
        return self.told.get((operator, replica))

    async def hear(self, payload: bytes, subject: str) -> None:
        """Take a report."""
        del subject
        told = report.decode(payload)
        self.told[told.operator, told.replica] = told
        self.news.set()

    async def until(self, holds: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
        """Wait for something that files or reports tell.

        Raises:
            AssertionError: If it does not come.
        """
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, f"not within {within:g} s: {what}\n{self.words()}"
            await self.look_after()
            self.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await self.news.wait()

    async def lasting(self, seconds: float) -> None:
        """Let a fault last: some faults are a matter of time."""
        end = time.monotonic() + seconds
        await self.until(lambda: time.monotonic() > end, f"{seconds:g} s are over")

    async def look_after(self) -> None:  # noqa: B027  # most have nobody to look after
        """Called while something is waited for: starts again who died by itself."""

    async def reached(self, part: float) -> None:
        """Wait until the sink has a part of the scan."""
        await self.until(lambda: self.done >= part, f"the sink has {part:.0%} of the scan")

    async def finished(self, *more: str) -> None:
        """Let the source on, and wait until the sink, the reducer and others say that all is done."""
        self.open()
        ends = ("kept", "total", *more)
        await self.until(
            lambda: all((one := self.tells(end)) is not None and one.state == "done" for end in ends),
            f"{', '.join(ends)} are done",
        )  # fmt: skip

    @abstractmethod
    async def letters(self) -> list[tuple[Header, Batch]]:
        """The dead letters that are kept, in their order."""

    @abstractmethod
    def words(self) -> str:
        """What processes said, for a person who looks for what went wrong."""

    # -- what must hold -----------------------------------------------------------------------------

    def exact(
        self, *, once: bool = True, gone: frozenset[int] = frozenset(), ordinal: int = 0
    ) -> None:
        """Every frame's number at both ends, and the result bit by bit.

        Args:
            once: Whether the sink was to be given each frame once only.
            gone: Frames that are not to arrive.
            ordinal: Which scan.
        """
        total = self.setup.total
        sent, kept = self.sent, self.kept
        assert np.array_equal(np.unique(sent[sent[:, 0] == ordinal, 1]), np.arange(total)), (
            "the source sent all"
        )
        lines = kept[kept["scan"] == ordinal]
        times = np.bincount(lines["index"], minlength=total)
        assert np.flatnonzero(times == 0).tolist() == sorted(gone), "frames that did not arrive"
        assert len(times) == total
        if once:
            assert np.flatnonzero(times > 1).tolist() == [], "frames given to the sink twice"
        exact = pipeline.expected_totals(self.setup)
        assert np.array_equal(lines["total"], exact[lines["index"]]), "what each frame says"
        self.exact_picture(self.picture(ordinal), gone)

    def exact_picture(self, picture: Picture, gone: frozenset[int] = frozenset()) -> None:
        """A picture is the final one, bit by bit."""
        channels, facts = picture
        wanted = pipeline.expected(self.setup, gone)
        seen = np.ones(self.setup.total, np.int64)
        seen[[*gone]] = 0
        assert channels["seen"].reshape(-1).tolist() == seen.tolist(), "how often each was added"
        for name, array in wanted.channels.items():
            assert channels[name].tobytes() == array.tobytes(), f"channel {name}, bit by bit"
        assert facts["final"]
        assert facts["light"] == wanted.attributes["light"], "a sum of floats, to the last bit"
        assert sum(facts["missing"].values()) == len(gone)
