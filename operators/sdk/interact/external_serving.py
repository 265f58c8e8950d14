"""The process of an external operator: takes calls over NATS for one run, ends when nobody asks."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interact_api import names
from interact_api.border import decode, encode
from interact_api.external_calls import ExternalAnswer, ExternalCall, Failure

from interact import _logs, _main, _settings, external_paths
from interact._errors import InteractError, SettingsError
from interact._jetstream import connect
from interact._jetstream._talking import Reply, Talk
from interact.external_calling import Calling
from interact.external_operator import ExternalOperator

logger = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
"""Without a call for so long the process ends; the controller starts it again when it asks."""


@dataclass(frozen=True)
class Place:
    """Which run a process serves, and where.

    Attributes:
        namespace: The run's.
        key: Of the attempt.
        nats_url: The server.
        root: The folder of all runs.
        token: What the server asks for, if anything.
        idle_seconds: Longest time without a call.
        patience: Seconds to wait for the server.
    """

    namespace: str
    key: str
    nats_url: str
    root: Path
    token: str | None = None
    idle_seconds: float = IDLE_SECONDS
    patience: float = 60.0


def place(environment: Mapping[str, str]) -> Place:
    """Read the environment.

    Raises:
        SettingsError: If a variable is missing or wrong.
    """
    wanted = ("INTERACT_NAMESPACE", "INTERACT_RUN_KEY", "INTERACT_NATS_URL", "INTERACT_RUN_ROOT")
    missing = [name for name in wanted if not environment.get(name)]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)} is not set: the controller starts the pod of an external "
            "operator for each run"
        )
    root = Path(environment["INTERACT_RUN_ROOT"])
    folder = environment.get("INTERACT_RUN_FOLDER", "")
    found = external_paths.ensure_under_run_root(root, folder) if folder else root
    found.mkdir(parents=True, exist_ok=True)
    return Place(
        environment["INTERACT_NAMESPACE"],
        environment["INTERACT_RUN_KEY"],
        environment["INTERACT_NATS_URL"],
        found,
        _settings._token(environment),
    )


async def serve(operator: ExternalOperator, where: Place) -> None:
    """Take calls until nobody has asked for a while; one at a time, off the loop.

    Raises:
        BrokerError: If no server answers.
    """
    calling, one, rings = Calling(operator, where.root), asyncio.Lock(), asyncio.Event()
    async with (
        connect(where.nats_url, name=where.key, token=where.token, patience=where.patience) as broker,
        asyncio.TaskGroup() as group,
    ):  # fmt: skip

        async def answer(payload: bytes, reply: Reply) -> None:
            async with one:
                answered = await asyncio.to_thread(_answered, calling, payload)
            rings.set()
            await reply(encode(answered))

        async def heard(payload: bytes, reply: Reply) -> None:
            rings.set()
            group.create_task(answer(payload, reply))

        subject = names.external_subject(where.namespace, where.key)
        async with Talk(broker).answering(subject, heard):
            while await _rung(rings, where.idle_seconds) or one.locked():
                rings.clear()


async def _rung(rings: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await rings.wait()
    return False


def _answered(calling: Calling, payload: bytes) -> ExternalAnswer:
    try:
        call = decode(ExternalCall, payload)
    except ValueError as error:
        return ExternalAnswer(failure=Failure.REFUSED, message=f"this is no call: {error}")
    return calling.answer(call)


async def _serve_until_told(operator: ExternalOperator, where: Place) -> None:
    """Serve, and end well at SIGTERM."""
    serving = asyncio.create_task(serve(operator, where))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


def main(operator: ExternalOperator) -> None:
    """Serve the run that the environment names; exits the process."""
    sys.exit(_run(operator))


def _run(operator: ExternalOperator) -> int:
    _logs.configure(type(operator).__name__, os.environ)
    try:
        where = place(os.environ)
        asyncio.run(_serve_until_told(operator, where))
    except SettingsError as error:
        logger.error("%s", error)
        _main.last_words(error)
        return _main.USAGE
    except (InteractError, OSError) as error:
        logger.error("%s", error)
        _main.last_words(error)
        return _main.FAILED
    return _main.OK
