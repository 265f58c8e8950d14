"""One operator process from start to end: resources, connection, work, reports, a clean stop."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from interact_api.config import OperatorConfig

from interact import _jetstream
from interact._errors import OperatorError
from interact._operator import Operator
from interact._ports import Broker
from interact._settings import Settings
from interact._sourcing import Sourcing
from interact._tally import Listener, Tally
from interact._tasks import wanted
from interact._worker import Worker

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.5


def run(operator: Operator, settings: Settings) -> None:
    """Run an operator until SIGTERM or SIGINT; returns once everything held is handed back."""
    asyncio.run(_run(operator, settings))


async def _run(operator: Operator, settings: Settings) -> None:
    config = settings.config
    check(operator, config)
    name = f"{config.pipeline}/{config.operator}/{settings.replica}"
    async with _jetstream.connect(
        settings.nats_url, name=name, token=settings.token, patience=settings.patience
    ) as broker:
        await serve(operator, config, broker, replica=settings.replica)


async def serve(
    operator: Operator,
    config: OperatorConfig,
    broker: Broker,
    *,
    replica: int = 0,
    stop: asyncio.Event | None = None,
) -> None:
    """Run an operator over a connection until stopped.

    Args:
        operator: What to run.
        config: Where its ports are, and its parameters.
        broker: The connection.
        replica: Its number among the operator's replicas.
        stop: Set it to stop; SIGTERM and SIGINT set it too when left out.
    """
    tally = Tally(config.operator, replica, operator.role)
    blocked = getattr(broker, "blocked_seconds", None)
    if blocked is not None:
        tally.blocked = lambda: getattr(broker, "blocked_seconds", 0.0)
    subject = f"{config.status_subject}.{replica}"
    with listening(tally), resources(operator) as given:
        work: Worker | Sourcing
        if operator.role == "source":
            work = Sourcing(operator, config, broker, tally)
        else:
            work = Worker(operator, config, broker, tally, replica)
            work.kernel.resources = given
        ending = stop or _signalled()
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(_report(broker, subject, tally))
            stopping = group.create_task(_stop(ending, work, tally))
            try:
                await work.run()
            except Exception as error:
                tally.state = "failed"
                tally.fail(f"{operator.name}: {type(error).__name__}: {error}", frames=0)
                await broker.tell(subject, tally.report())
                raise
            finally:
                reporting.cancel()
                stopping.cancel()
                with suppress(Exception):
                    await broker.tell(subject, tally.report())


async def _stop(ending: asyncio.Event, work: Worker | Sourcing, tally: Tally) -> None:
    await ending.wait()
    if tally.state != "done":
        tally.state = "draining"
    work.stop()


async def _report(broker: Broker, subject: str, tally: Tally) -> None:
    said = ""
    while wanted():
        await broker.tell(subject, tally.report())
        for _ in range(10):  # a change of state is told at once
            await asyncio.sleep(REPORT_SECONDS / 10)
            if tally.state != said:
                said = tally.state
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
