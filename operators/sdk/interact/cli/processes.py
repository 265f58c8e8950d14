"""The processes of a run: one for each replica, started again when it dies, ended with the run."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from interact._server import last_words
from interact._tether import tethered

BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 5.0
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),  # glibc returns and refaults each large buffer
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "OMP_NUM_THREADS": "1",  # replicas are the parallelism
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Member:
    """One replica to run.

    Attributes:
        pipeline: Its pipeline.
        operator: Its operator.
        replica: Its number.
        code: The operator's run.py.
        config: The file with its `OperatorConfig`.
    """

    pipeline: str
    operator: str
    replica: int
    code: Path
    config: Path

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.operator}/{self.replica}"


@dataclass(frozen=True)
class Death:
    """A process that ended though nobody asked it to."""

    member: Member
    status: int
    in_a_row: int
    log: Path

    @property
    def how(self) -> str:
        """Its exit in words."""
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return last_words(self.log, lines=lines)


@dataclass
class Processes:
    """All processes of a run.

    Attributes:
        logs: Folder of a log file for each replica.
        variables: Environment of all of them beside this process's own.
    """

    logs: Path
    variables: Mapping[str, str]
    _running: dict[Member, asyncio.subprocess.Process] = field(default_factory=dict)
    _stopping: set[Member] = field(default_factory=set)
    _waking: dict[Member, asyncio.Event] = field(default_factory=dict)

    def log(self, member: Member) -> Path:
        """Where a replica's output goes."""
        return self.logs / f"{member.pipeline}.{member.operator}.{member.replica}.log"

    async def run(self, member: Member) -> int:
        """Run one replica once; its exit status, negative for a signal."""
        with self.log(member).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-P", "-m", "interact", str(member.code)]),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=self._environment(member), start_new_session=True,
            )  # fmt: skip
        self._running[member] = process
        try:
            return await process.wait()
        finally:
            del self._running[member]
            _signal_group(process.pid, signal.SIGKILL)  # what the kernel started and left behind

    def _environment(self, member: Member) -> dict[str, str]:
        mine = {"INTERACT_CONFIG": str(member.config), "INTERACT_REPLICA": str(member.replica)}
        return {**ENVIRONMENT, **os.environ, **self.variables, **mine}

    def stopping(self, member: Member) -> bool:
        """Whether a replica was asked to end."""
        return member in self._stopping

    async def back_off(self, member: Member, deaths: int) -> None:
        """Wait before a replica is started again, longer after each death; ends when stopped."""
        pause = min(BACK_OFF_SECONDS * 2 ** (deaths - 1), LONGEST_BACK_OFF_SECONDS)
        waking = self._waking.setdefault(member, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(waking.wait(), pause)

    def stop(self, members: Sequence[Member]) -> None:
        """Ask replicas to finish what they hold and end; they are not started again."""
        for member in members:
            self._stopping.add(member)
            self._waking.setdefault(member, asyncio.Event()).set()
            process = self._running.get(member)
            if process is not None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                    process.send_signal(signal.SIGCONT)

    def allow(self, members: Sequence[Member]) -> None:
        """Let replicas that were asked to end be started again."""
        for member in members:
            self._stopping.discard(member)
            self._waking.pop(member, None)

    def kill(self, members: Sequence[Member] | None = None) -> list[str]:
        """End what still runs (of these), at once; the names of those that had to be."""
        ending = [one for one in self._running if members is None or one in members]
        for member in ending:
            self._stopping.add(member)
            _signal_group(self._running[member].pid, signal.SIGKILL)
        return [member.name for member in ending]

    def running(self, members: Sequence[Member]) -> bool:
        """Whether any of these still runs."""
        return any(member in self._running for member in members)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
