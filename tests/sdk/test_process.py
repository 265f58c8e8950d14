"""A whole operator process, as a pod has one: waiting, losing its connection, ending."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from cluster import waiting
from interact import _live_values, _main, source
from interact._jetstream import connect
from interact._server import nats_server
from interact._tether import tethered
from interact.testing import frames
from interact_api import report
from interact_api.choices import Storage
from sdk.at_work import PATIENCE, planned

pytestmark = pytest.mark.nats

CODE = '''
"""Adds what it is told."""
from interact import DenseFrames, Param, operator


@operator(name="sum")
def total(part: DenseFrames, *, gain: int = Param(1, minimum=0)) -> None:
    """Adds."""
'''
SCAN = frames(shape=(3, 4, 48, 64))


@source(name="given", outputs={"out": "dense"})
def given():
    """Is not run; the test publishes."""
    yield SCAN


@dataclass
class Process:
    """One operator process and the address it answers probes at."""

    running: asyncio.subprocess.Process
    port: int

    async def asked(self, path: str) -> tuple[int, str]:
        """Status and body of a GET; 0 where nobody listens."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return 0, ""
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return (int(head.split()[1]) if head else 0), body.strip()

    async def until(self, path: str, status: int, words: str = "") -> str:
        async with asyncio.timeout(PATIENCE):
            while True:
                found, body = await self.asked(path)
                if found == status and words in body:
                    return body
                assert self.running.returncode is None, "it has ended"
                await asyncio.to_thread(waiting.pause, 0.01)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.running.wait()

    def stop(self) -> None:
        self.running.send_signal(signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def operator(tmp_path):
    path = tmp_path / "run.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def plan(operator):
    return planned(
        "process", [given, _main.found(operator)], [("given.out", "sum.part")],
        storage=Storage.FILE,
    )  # fmt: skip


def without_parameters(plan) -> str:
    """The configuration as a pod gets it."""
    config = plan.operators["sum"]
    return config.model_dump_json(by_alias=True, exclude={"parameters", "revision"})


@asynccontextmanager
async def started(code, tmp_path, **variables):
    port = free_port()
    environment = {
        **os.environ, "INTERACT_HTTP_HOST": "127.0.0.1", "INTERACT_HTTP_PORT": str(port),
        "INTERACT_PATIENCE_SECONDS": "60", "INTERACT_POD": "process--sum-1",
        "INTERACT_TERMINATION_LOG": str(tmp_path / "last words"),
        "INTERACT_SCRATCH": str(tmp_path), **variables,
    }  # fmt: skip
    with (tmp_path / "log").open("ab") as log:
        running = await asyncio.create_subprocess_exec(
            *tethered([sys.executable, "-m", "interact", str(code)]),
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Process(running, port)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


def to(server, plan) -> dict[str, str]:
    return {
        "INTERACT_NATS_URL": server.url,
        "INTERACT_NATS_TOKEN_FILE": str(server.token_file),
        "INTERACT_CONFIG": without_parameters(plan),
    }


async def made(broker, plan):
    for stream in plan.streams:
        await broker.make(stream)
    await broker.make_bucket(plan.bucket)


async def told(broker, plan, revision=4, **values):
    text = _live_values.written({"sum": values, "given": {}}, revision)
    await broker.put(plan.bucket.name, _live_values.KEY, text)


async def test_a_pod_waits_for_nats_streams_and_parameters_and_says_for_which(
    operator, plan, tmp_path
):
    folder = tmp_path / "nats"
    with nats_server(folder) as first:
        variables = to(first, plan)
    async with started(operator, tmp_path, **variables) as process:
        assert await process.until("/readyz", 503) == "not connected to NATS"
        assert await process.asked("/healthz") == (200, "ok")
        with nats_server(folder, port=first.port) as server:
            await process.until("/readyz", 503, "waiting for consumer")
            async with connect(server.url, name="test", token=server.token) as broker:
                await made(broker, plan)
                await process.until("/readyz", 503, "waiting for the parameters in bucket")
                await told(broker, plan, gain=3)
                assert await process.until("/readyz", 200) == "ok"
                assert 'operator="sum"} 4\n' in (await process.asked("/metrics"))[1] + "\n"
                process.stop()
                assert await process.ended() == 0
    assert not (tmp_path / "last words").exists()


async def test_a_pod_outlives_a_lost_connection_and_goes_on(operator, plan, tmp_path):
    folder = tmp_path / "nats"
    with nats_server(folder) as first:
        async with connect(first.url, name="test", token=first.token) as broker:
            await made(broker, plan)
            await told(broker, plan, gain=3)
        async with started(operator, tmp_path, **to(first, plan)) as process:
            await process.until("/readyz", 200)
            first.process.kill()
            first.process.wait()
            assert await process.until("/readyz", 503) == "not connected to NATS"
            assert await process.asked("/healthz") == (200, "ok")
            with nats_server(folder, port=first.port) as second:
                await process.until("/readyz", 200)
                async with connect(second.url, name="test", token=second.token) as broker:
                    await told(broker, plan, revision=9, gain=5)
                    await process.until("/metrics", 200, 'operator="sum"} 9')
                process.stop()
                assert await process.ended() == 0


async def test_a_pod_that_is_to_end_while_nats_is_away_ends_in_time(operator, plan, tmp_path):
    with nats_server(tmp_path / "nats") as server:
        async with connect(server.url, name="test", token=server.token) as broker:
            await made(broker, plan)
            await told(broker, plan, gain=3)
        async with started(operator, tmp_path, **to(server, plan)) as process:
            await process.until("/readyz", 200)
            server.process.kill()
            server.process.wait()
            await process.until("/readyz", 503)
            process.stop()
            assert await process.ended() == 0


async def test_a_pod_that_is_to_end_while_nats_does_not_answer_ends_in_time(
    operator, plan, tmp_path
):
    """A frozen server: the connection looks alive."""
    with nats_server(tmp_path / "nats") as server:
        async with connect(server.url, name="test", token=server.token) as broker:
            await made(broker, plan)
            await told(broker, plan, gain=3)
        variables = {**to(server, plan), "INTERACT_GRACE_SECONDS": "1"}
        async with started(operator, tmp_path, **variables) as process:
            await process.until("/readyz", 200)
            server.process.send_signal(signal.SIGSTOP)
            try:
                process.stop()
                assert await process.ended() == 0
            finally:
                server.process.send_signal(signal.SIGCONT)


async def test_a_pod_that_waits_for_nats_ends_when_it_is_asked_to(operator, plan, tmp_path):
    with nats_server(tmp_path / "nats") as gone:
        variables = to(gone, plan)
    async with started(operator, tmp_path, **variables) as process:
        await process.until("/readyz", 503)
        process.stop()
        assert await process.ended() == 0


@pytest.mark.parametrize(
    ("variables", "status", "words"),
    [
        pytest.param(
            {"INTERACT_NATS_URL": "nats://127.0.0.1:1", "INTERACT_PATIENCE_SECONDS": "0.3"},
            1, "no NATS at nats://127.0.0.1:1", id="nobody there",
        ),
        pytest.param({"INTERACT_CONFIG": "{}"}, 2, "JSON in INTERACT_CONFIG", id="settings"),
        pytest.param({"INTERACT_HTTP_HOST": "nowhere.invalid"}, 2, "nowhere.invalid", id="host"),
    ],
)  # fmt: skip
async def test_the_reason_of_an_end_is_left_for_the_status_of_the_pod(
    operator, plan, tmp_path, variables, status, words
):
    config = {"INTERACT_CONFIG": without_parameters(plan)}
    async with started(operator, tmp_path, **{**config, **variables}) as process:
        assert await process.ended() == status

    [line] = (tmp_path / "last words").read_text().splitlines()
    assert words in line


async def test_code_that_cannot_be_used_is_said_there_too(operator, plan, tmp_path):
    operator.write_text("import not_there\n")

    async with started(operator, tmp_path, INTERACT_CONFIG=without_parameters(plan)) as process:
        assert await process.ended() == 3

    assert "ModuleNotFoundError" in (tmp_path / "last words").read_text()


async def test_streams_that_do_not_come_are_named_at_the_end_of_patience(
    operator, plan, tmp_path, server
):
    variables = {**to(server, plan), "INTERACT_PATIENCE_SECONDS": "0.5"}
    async with started(operator, tmp_path, **variables) as process:
        assert await process.ended() == 1

    stream = plan.operators["sum"].inputs[0].stream
    assert f"of stream {stream} in vain" in (tmp_path / "last words").read_text()


async def test_the_process_of_a_run_says_of_which_run_it_is(operator, plan, tmp_path, server):
    heard = asyncio.Event()
    found: list[report.Report] = []

    async def hear(payload: bytes, subject: str) -> None:
        found.append(report.decode(payload))
        heard.set()

    async with connect(server.url, name="test", token=server.token) as broker:
        await broker.watch(f"{plan.operators['sum'].status_subject}.*", hear)
        async with started(operator, tmp_path, **to(server, plan)) as process:
            async with asyncio.timeout(PATIENCE):
                await heard.wait()
            process.stop()
            assert await process.ended() == 0

    assert (found[0].run, found[0].state) == (plan.operators["sum"].run, "starting")
    assert json.loads(without_parameters(plan))["run"] == found[0].run
