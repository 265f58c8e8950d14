"""One operator process from start to end: resources, connection, work, reports, a clean stop."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

from interact_api.config import OperatorConfig

from interact import _health, _jetstream, _outlet
from interact._breaker import Breaker
from interact._computing import Guards
from interact._errors import OperatorError
from interact._health import Health
from interact._in_effect import Live
from interact._jetstream._talking import Talk
from interact._operator import Operator
from interact._orders import Orders
from interact._ports import Broker
from interact._readiness import Waiting
from interact._server import shown
from interact._settings import Settings
from interact._sourcing import Sourcing
from interact._tally import Listener, Tally
from interact._tasks import wanted
from interact._trigger_calls import Calling
from interact._triggers import Triggers
from interact._watchdog import LastWords, Watchdog
from interact._worker import Worker

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.5
ALONE_SECONDS = 3.0
"""What a process that is to end waits for a connection that is lost."""


def run(operator: Operator, settings: Settings) -> None:
    """Run an operator until SIGTERM or SIGINT; returns once everything held is handed back."""
    asyncio.run(_run(operator, settings))


async def _run(operator: Operator, settings: Settings) -> None:
    config = settings.config
    check(operator, config)
    ending = _signalled()
    tally = Tally(config.operator, settings.replica, operator.role, config.run)
    health = Health(tally, config.pipeline)
    async with _health.served(health, settings.http_host, settings.http_port):
        life = asyncio.ensure_future(_connected(operator, settings, tally, health, ending))
        limit = asyncio.ensure_future(_too_long(ending, tally, health, settings.grace))
        await asyncio.wait({life, limit}, return_when=asyncio.FIRST_COMPLETED)
        limit.cancel()
        while not life.done():  # once may be too little: CPython issue 86296
            life.cancel()
            await asyncio.wait({life}, timeout=1.0)
        if not life.cancelled():
            life.result()


async def _connected(
    operator: Operator, settings: Settings, tally: Tally, health: Health, ending: asyncio.Event
) -> None:
    name = f"{settings.config.pipeline}/{settings.config.operator}/{settings.replica}"
    tally.waits_for = f"NATS at {shown(settings.nats_url)}"
    logger.info("waiting for %s", tally.waits_for)
    async with _jetstream.connect(
        settings.nats_url, name=name, token=settings.token, patience=settings.patience,
        ping_seconds=settings.ping_seconds, message_bytes=settings.message_bytes,
        window_bytes=settings.window_bytes,
    ) as broker:  # fmt: skip
        tally.waits_for = ""
        health.connected = lambda: broker.client.is_connected
        with guarded(settings) as guards:
            await serve(
                operator, settings.config, broker, replica=settings.replica, stop=ending,
                tally=tally, patience=settings.patience, guards=guards,
            )  # fmt: skip


async def _too_long(ending: asyncio.Event, tally: Tally, health: Health, grace: float) -> None:
    """Return when a process that is to end should wait no longer.

    What is not stored or acknowledged by then is given to another process, or sent again by it.
    """
    await ending.wait()
    if tally.state == "starting":
        return
    until = time.monotonic() + grace
    alone = time.monotonic()
    while time.monotonic() < min(until, alone + ALONE_SECONDS):  # two causes
        await asyncio.sleep(0.1)
        if health.connected():
            alone = time.monotonic()
    logger.warning("ended without NATS: what was under way is given to another process")


async def serve(
    operator: Operator,
    config: OperatorConfig,
    broker: Broker,
    *,
    replica: int = 0,
    stop: asyncio.Event | None = None,
    tally: Tally | None = None,
    patience: float = 10.0,
    guards: Guards | None = None,
) -> None:
    """Run an operator over a connection until stopped.

    Args:
        operator: What to run.
        config: Where its ports are, and its parameters.
        broker: The connection.
        replica: Its number among the operator's replicas.
        stop: Set it to stop; SIGTERM and SIGINT set it too when left out.
        tally: What it counts; a new one when left out.
        patience: Seconds to wait for streams and parameters that are not there.
        guards: What protects a process of its own from its kernel.

    Raises:
        BrokerError: If they are not there in time.
    """
    tally = tally or Tally(config.operator, replica, operator.role, config.run)
    blocked = getattr(broker, "blocked_seconds", None)
    if blocked is not None:
        tally.blocked = lambda: getattr(broker, "blocked_seconds", 0.0)
    subject = f"{config.status_subject}.{replica}"
    ending = stop or _signalled()
    live = Live(operator, config, tally)
    orders = Orders(tally)
    with listening(tally):
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(_report(broker, subject, tally))
            try:
                if await Waiting(tally, patience, ending).ready(config, broker, live):
                    async with (
                        live.followed(broker),
                        orders.followed(broker, config.state_bucket),
                    ):
                        await _work(
                            operator, config, broker, live, orders, ending,
                            tally=tally, replica=replica, guards=guards,
                        )  # fmt: skip
            except Exception as error:
                tally.state = "failed"
                tally.fail(f"{operator.name}: {type(error).__name__}: {error}", frames=0)
                raise
            finally:
                reporting.cancel()
                with suppress(Exception):
                    await broker.tell(subject, tally.report())


async def _work(
    operator: Operator,
    config: OperatorConfig,
    broker: Broker,
    live: Live,
    orders: Orders,
    ending: asyncio.Event,
    *,
    tally: Tally,
    replica: int,
    guards: Guards | None,
) -> None:
    with resources(operator) as given:
        work: Worker | Sourcing
        if operator.role == "source":
            work = Sourcing(operator, config, broker, tally, live, orders)
        else:
            made = _relay() if config.most_runs else Worker
            work = made(operator, config, broker, tally, replica, live, guards)
            work.obey(orders)
            work.kernel.resources = given
        _outlet.tend(config, broker, replica)
        async with (
            _triggered(operator, config, broker, work, tally, replica),
            asyncio.TaskGroup() as group,
        ):
            stopping = group.create_task(_stop(ending, work, tally))
            try:
                await work.run()
            finally:
                stopping.cancel()


def _relay() -> type[Worker]:
    """What an external operator runs; others do without its models."""
    from interact import _relaying

    return _relaying.Relay


@asynccontextmanager
async def _triggered(
    operator: Operator,
    config: OperatorConfig,
    broker: Broker,
    work: Worker | Sourcing,
    tally: Tally,
    replica: int,
) -> AsyncIterator[None]:
    """Take calls of the operator's triggers while the block lasts."""
    if not operator.triggers or not isinstance(broker, _jetstream.JetStream):
        yield
        return
    calling = Calling(operator, config, work.outlet)
    triggers = Triggers(operator, config, tally, replica, Talk(broker), broker, calling)
    if isinstance(work, Worker):
        work.hear(triggers)
    async with triggers.open(), triggers.served(apart=isinstance(work, Sourcing)):
        yield


async def _stop(ending: asyncio.Event, work: Worker | Sourcing, tally: Tally) -> None:
    await ending.wait()
    if tally.state != "done":
        tally.state = "draining"
    work.stop()


async def _report(broker: Broker, subject: str, tally: Tally) -> None:
    said: tuple[str, int] = ("", 0)
    while wanted():
        await broker.tell(subject, tally.report())
        for _ in range(10):  # a change of state, or of parameters, is told at once
            await asyncio.sleep(REPORT_SECONDS / 10)
            if (tally.state, tally.revision) != said:
                said = (tally.state, tally.revision)
                break


def _signalled() -> asyncio.Event:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    return ending


@contextmanager
def resources(operator: Operator) -> Iterator[tuple[Any, ...]]:
    """Run the operator's dependencies to their yield, and to their end in reverse order."""
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(contextmanager(generator)()) for generator in operator.dependencies
        )


@contextmanager
def guarded(settings: Settings) -> Iterator[Guards | None]:
    """What protects this process from its kernel; a source may take as long as it likes."""
    config = settings.config
    if config.role == "source":
        yield None
        return
    words = LastWords(settings.scratch, config.run, config.operator, str(settings.replica))
    watchdog = Watchdog(config.kernel_timeout_seconds, words)
    try:
        yield Guards(words, watchdog, Breaker(settings.breaker_messages))
    finally:
        watchdog.stop()
    words.close()


@contextmanager
def listening(tally: Tally) -> Iterator[None]:
    """Warnings that anything logs go into the reports."""
    listener = Listener(tally)
    logging.getLogger().addHandler(listener)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(listener)


def check(operator: Operator, config: OperatorConfig) -> None:
    """Refuse a configuration that does not fit the code.

    Raises:
        OperatorError: If a port or a parameter is on one side only.
    """
    inputs = {port.name for port in operator.inputs}
    outputs = {port.name for port in operator.outputs}
    for kind, known, named in (
        ("input", inputs, {entry.port for entry in config.inputs}),
        ("output", outputs, {entry.port for entry in config.outputs}),
    ):
        if named - known:
            raise OperatorError(
                f"operator {config.operator}: the pipeline connects {kind} {sorted(named - known)[0]!r}; "
                f"the code has {', '.join(sorted(known)) or 'none'}"
            )
    names = {parameter.name for parameter in operator.parameters}
    unknown = set(config.parameters) - names
    if unknown and operator.role != "classic":
        raise OperatorError(
            f"operator {config.operator}: parameter {sorted(unknown)[0]!r} is not in the code, "
            f"which has {', '.join(sorted(names)) or 'none'}"
        )
