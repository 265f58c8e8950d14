"""The broker while NATS is late, gone, frozen, or asks for another token."""

import asyncio
import signal
from pathlib import Path

import psutil
import pytest
from controller.wires import BUCKET, PLAN, SEEN, WITHIN_SECONDS, eventually
from interact._server import Server, nats_server
from interact_api import names
from interact_api.report import Report, encode
from interact_controller import jetstream
from interact_controller.errors import BrokerUnreachable
from interact_controller.jetstream import JetStream
from nats.aio.client import Client


async def test_without_nats_every_call_says_so_and_where(tmp_path: Path) -> None:
    with nats_server(tmp_path / "nats") as gone:
        url, token = gone.url, str(gone.token_file)

    async with jetstream.connect(url, token, "test") as broker:
        for asked in (
            broker.streams("here"),
            broker.of_pipeline("lab", "run"),
            broker.make(PLAN),
            broker.put(BUCKET.name, "parameters", b""),
        ):
            with pytest.raises(BrokerUnreachable, match=url):
                await asked


async def test_nats_may_come_late_go_away_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    with nats_server(folder) as first:
        url, token, port = first.url, str(first.token_file), first.port
    connected: list[bool] = []

    async with jetstream.connect(url, token, "test") as broker:
        broker.on_connected(lambda: connected.append(broker.connected))
        with nats_server(folder, port=port):
            await eventually(lambda: connected)
            await broker.make(PLAN)
        await eventually(lambda: not broker.connected)
        with pytest.raises(BrokerUnreachable):
            await broker.stream(PLAN.name)
        with nats_server(folder, port=port) as again:
            await eventually(lambda: len(connected) > 1)
            assert (await broker.stream(PLAN.name)) == SEEN
            assert await _hears(broker, again)


async def test_a_new_token_is_read_when_nats_asks_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    with nats_server(folder) as first:
        url, token, port = first.url, first.token_file, first.port
        async with jetstream.connect(url, str(token), "test") as broker:
            await eventually(lambda: broker.connected)
            first.process.kill()
            await eventually(lambda: not broker.connected)
            token.write_text("renewed")
            with nats_server(folder, port=port) as again:
                await eventually(lambda: broker.connected)
                assert await broker.streams("here") == []
                assert await _hears(broker, again)


async def test_a_connection_the_server_ends_for_good_is_made_anew(tmp_path: Path) -> None:
    with nats_server(tmp_path / "nats") as running:
        async with jetstream.connect(running.url, str(running.token_file), "test") as broker:
            await eventually(lambda: broker.connected)
            before = broker.client

            await before._process_err("'User Authentication Expired'")

            await eventually(lambda: broker.client is not before and broker.connected)
            assert await _hears(broker, running)


async def _hears(broker: JetStream, server: Server) -> bool:
    """Whether a report that is told now is heard."""
    heard: list[Report] = []
    broker.on_report(lambda namespace, pipeline, told: heard.append(told))
    teller = Client()
    await teller.connect(server.url, token=server.token)
    subject = names.status_subject("lab", "run", "scan")
    await teller.publish(f"{subject}.0", encode(Report("scan", 0, 1, "running", "Source")))
    await eventually(lambda: heard)
    await teller.close()
    return len(heard) == 1


@pytest.mark.slow
async def test_a_server_that_hangs_is_unreachable_in_time(tmp_path: Path) -> None:
    with nats_server(tmp_path / "nats") as hanging:
        async with jetstream.connect(hanging.url, str(hanging.token_file), "test") as broker:
            await eventually(lambda: broker.connected)
            hanging.process.send_signal(signal.SIGSTOP)
            await eventually(lambda: psutil.Process(hanging.pid).status() == psutil.STATUS_STOPPED)

            async with asyncio.timeout(WITHIN_SECONDS):
                with pytest.raises(BrokerUnreachable, match="does not answer"):
                    await broker.stream(PLAN.name)

            hanging.process.send_signal(signal.SIGCONT)
