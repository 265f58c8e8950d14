"""What the process answers to probes and to Prometheus."""

import re
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from interact_controller import metrics, web
from interact_controller.seen import Manifest

HOST = "127.0.0.1"
STATUS: Manifest = {
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "Crashing"},
        {"type": "Accepted", "status": "True", "reason": "Accepted"},
    ],
    "operators": [{"name": "a", "replicas": 3, "ready": 2}],
    "edges": [
        {
            "from": "a.out",
            "to": "b.in",
            "pendingMessages": 7,
            "pendingBytes": 900,
            "bytesLimit": 1000,
            "ackPendingMessages": 5,
            "oldestMessageTime": "2020-01-01T00:00:00Z",
            "redelivered": 2,
            "stuck": True,
        }
    ],
    "framesPerSecond": 12.5,
    "deadLetters": 2,
    "deadLettersEver": 11,
}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def port() -> int:
    """A free one; whoever takes it first has it."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def health(port: int, clock: Clock) -> AsyncIterator[web.Health]:
    """What is served."""
    one = web.Health(clock)
    async with web.serving(HOST, port, one):
        yield one


async def answer(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{HOST}:{port}{path}") as found,
    ):
        return found.status, await found.text()


async def test_one_that_waits_for_the_lead_is_alive_however_long(
    health: web.Health, port: int, clock: Clock
) -> None:
    clock.seconds = 100 * web.DEAF_SECONDS

    assert not health.leading
    assert await answer(port, "/healthz") == (200, "ok\n")


async def test_a_leader_who_hears_nothing_for_too_long_is_unhealthy(
    health: web.Health, port: int, clock: Clock
) -> None:
    health.leading = True
    health.beat()
    clock.seconds = web.DEAF_SECONDS - 1
    before = await answer(port, "/healthz")
    clock.seconds = web.DEAF_SECONDS + 1

    deaf = await answer(port, "/healthz")
    health.beat()

    assert before == (200, "ok\n")
    assert deaf == (503, "silent for 91 s\n")
    assert await answer(port, "/healthz") == (200, "ok\n")


async def test_a_leader_is_ready_once_it_has_listed(health: web.Health, port: int) -> None:
    health.leading = True

    before = await answer(port, "/readyz")
    health.ready = True

    assert before == (503, "listing objects\n")
    assert await answer(port, "/readyz") == (200, "ok\n")


async def test_port_zero_serves_nothing() -> None:
    async with web.serving("not a host", 0, web.Health()):
        pass


async def test_a_taken_port_is_an_error(health: web.Health, port: int) -> None:
    del health
    with pytest.raises(OSError, match="address already in use"):
        async with web.serving(HOST, port, web.Health()):
            pass


async def test_the_figures_of_a_pipeline_are_served_while_it_is_there(
    health: web.Health, port: int
) -> None:
    del health
    metrics.reconciled("Pipeline", "ok", 0.02)
    metrics.queue_depth(3)
    metrics.pipeline("lab", "run", STATUS)
    metrics.pipeline("lab", "other", {"framesPerSecond": 1})

    _, there = await answer(port, "/metrics")
    metrics.forget("lab", "run")
    _, gone = await answer(port, "/metrics")
    metrics.forget("lab", "other")

    edge = 'namespace="lab",pipeline="run",source="a.out",target="b.in"'
    whose = 'namespace="lab",pipeline="run"'
    for line in (
        f"interact_edge_pending_messages{{{edge}}} 7.0",
        f"interact_edge_bytes{{{edge}}} 900.0",
        f"interact_edge_redelivered_messages{{{edge}}} 2.0",
        f"interact_edge_bytes_limit{{{edge}}} 1000.0",
        f"interact_edge_ack_pending_messages{{{edge}}} 5.0",
        f"interact_edge_stuck{{{edge}}} 1.0",
        f"interact_dead_letter_messages_total{{{whose}}} 11.0",
        f"interact_dead_letters{{{whose}}} 2.0",
        'interact_operator_replicas{namespace="lab",operator="a",pipeline="run"} 3.0',
        'interact_operator_ready_replicas{namespace="lab",operator="a",pipeline="run"} 2.0',
        f"interact_pipeline_frames_per_second{{{whose}}} 12.5",
        f'interact_resource_condition{{{whose},reason="Crashing",type="Ready"}} 0.0',
        f'interact_resource_condition{{{whose},reason="Accepted",type="Accepted"}} 1.0',
        "interact_queue_depth 3.0",
    ):
        assert line in there.splitlines()
    [age] = re.findall(rf"^interact_edge_oldest_message_age_seconds{{{edge}}} (\S+)$", there, re.M)
    assert float(age) > 1e8
    assert 'interact_reconcile_total{kind="Pipeline",result="ok"}' in there
    assert 'interact_build_info{version="' in there
    assert 'pipeline="run"' not in gone
    assert 'pipeline="other"' in gone


async def test_a_condition_that_changed_its_reason_leaves_no_old_series() -> None:
    metrics.pipeline("lab", "run", STATUS)

    metrics.pipeline(
        "lab", "run", {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}
    )

    told = metrics.text().decode()
    metrics.forget("lab", "run")
    assert 'reason="Ready",type="Ready"} 1.0' in told
    assert 'reason="Crashing"' not in told
    assert 'source="a.out"' not in told
