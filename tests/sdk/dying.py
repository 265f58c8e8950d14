"""Operator processes that end themselves, started again each time, as a pod or a local run does."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from interact import _codec
from interact._tether import tethered
from interact_api.config import OperatorConfig
from sdk.at_work import PATIENCE, Running
from sdk.looking import pause

MOST_LIVES = 40


@dataclass
class Lives:
    """One replica that is started again whenever it ends.

    Attributes:
        statuses: How each of its processes ended, negative for a signal.
        log: What all of them printed.
    """

    code: Path
    config: OperatorConfig
    environment: dict[str, str]
    log: Path
    statuses: list[int] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    _over: bool = False

    async def live(self) -> None:
        """Start it again and again, until it is stopped."""
        while not self._over and len(self.statuses) < MOST_LIVES:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *tethered([sys.executable, "-m", "interact", str(self.code)]),
                    env=self.environment, stdout=log, stderr=log,
                )  # fmt: skip
            self.statuses.append(await self.process.wait())

    def stop(self) -> None:
        """Ask the process to end; it is not started again."""
        self._over = True
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()


@asynccontextmanager
async def living(
    run: Running,
    server,
    operator: str,
    code: Path,
    folder: Path,
    *,
    replica: int = 0,
    config: OperatorConfig | None = None,
    **variables: str,
) -> AsyncIterator[Lives]:
    """A replica of an operator as processes of its own."""
    config = config or run.plan.operators[operator]
    environment = {
        **os.environ, "INTERACT_NATS_URL": server.url,
        "INTERACT_NATS_TOKEN_FILE": str(server.token_file), "INTERACT_REPLICA": str(replica),
        "INTERACT_CONFIG": config.model_dump_json(by_alias=True),
        "INTERACT_TERMINATION_LOG": str(folder / f"last-words-{replica}"), "INTERACT_SCRATCH": str(folder),
        **variables,
    }  # fmt: skip
    lives = Lives(code, config, environment, folder / f"{operator}-{replica}.log")
    task = asyncio.create_task(lives.live())
    try:
        yield lives
    finally:
        lives.stop()
        try:
            await asyncio.wait_for(task, PATIENCE)
        finally:
            if lives.process is not None and lives.process.returncode is None:
                lives.process.kill()


async def letters(run: Running, operator: str, *, take: bool = False) -> list:
    """The dead letters of an operator, decoded; ``take`` makes room of what was read."""
    config = run.plan.operators[operator]
    context = run.broker.context
    state = (await context.stream_info(config.dead_letter_stream)).state
    found = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        message = await context.get_msg(config.dead_letter_stream, sequence)
        found.append(_codec.decode(message.data)[1])
    if take and found:
        await context.purge_stream(config.dead_letter_stream, seq=state.last_seq + 1)
    return found


async def records(run: Running) -> list[str]:
    """Keys of tries that have begun and not ended."""
    status = await run.broker.context.stream_info(
        f"KV_{run.plan.bucket.name}", subjects_filter=f"$KV.{run.plan.bucket.name}.attempts.>"
    )
    return [*(status.state.subjects or {})]


async def last_records(run: Running) -> list[str]:
    """The same, once tries of messages that were given twice have ended too."""
    end = time.monotonic() + PATIENCE
    while (left := await records(run)) and time.monotonic() < end:
        await pause()
    return left
