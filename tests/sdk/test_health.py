"""What probes of a pod are answered."""

import asyncio

import pytest
from interact import SettingsError, _health, _health_metrics
from interact._health import Health
from interact._tally import Tally
from interact_api.report import ScanReport


def health(state="running", waits_for="", *, connected=True) -> Health:
    tally = Tally("sum", 3, "kernel", "00")
    tally.state, tally.waits_for = state, waits_for
    tally.received(5, 1000, 0.1, "frames", 1.0)
    tally.sent(4, 800, "out")
    tally.fail("broken", frames=1)
    tally.fail("hung", frames=2, kind="timeout")
    tally.undecodable += 3
    tally.dropped["overrun"] = 6
    for _ in range(2):
        tally.triggered("done")
    tally.inflight = lambda: 9
    tally.blocked = lambda: 1.5
    tally.scan("old", ScanReport(64, 64, True))
    tally.scan("new", ScanReport(16, 64, False))
    tally.revision = 7
    found = Health(tally, 'a"b')
    found.connected = lambda: connected
    return found


@pytest.mark.parametrize("state", ["running", "draining", "done"])
def test_a_process_at_work_is_ready(state):
    assert health(state).answer("GET", "/readyz")[0] == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"connected": False}, "not connected to NATS", id="no connection"),
        pytest.param({"state": "starting"}, "starting", id="before it runs"),
        pytest.param(
            {"state": "starting", "waits_for": "stream s"}, "waiting for stream s", id="waiting"
        ),
        pytest.param({"state": "failed"}, "failed", id="failed"),
    ],
)
def test_a_process_that_is_not_ready_says_why_and_is_alive(given, words):
    found = health(**given)

    status, _, body = found.answer("GET", "/readyz")

    assert (status, body) == (503, f"{words}\n")
    assert found.answer("GET", "/healthz")[0] == 200


def test_other_paths_and_methods_are_refused():
    assert health().answer("GET", "/")[0] == 404
    assert health().answer("GET", "/healthz/x")[0] == 404
    assert health().answer("POST", "/healthz")[0] == 405
    assert health().answer("GET", "/readyz?verbose")[0] == 200


def samples(body):
    """Values of everything told, by name and labels."""
    parser = pytest.importorskip("prometheus_client.parser")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(body)
        for sample in family.samples
    }


FIXED = (("operator", "sum"), ("pipeline", 'a"b'))


def test_counters_are_told_in_the_words_of_prometheus():
    status, content, body = health().answer("GET", "/metrics")

    found = {at: value for at, value in samples(body).items() if "_seconds_" not in at[0]}
    assert (status, content) == (200, "text/plain; version=0.0.4; charset=utf-8")
    kinds = {"exception": 1, "crash": 0, "timeout": 2, "transient": 0, "undecodable": 3}
    assert found == {
        ("interact_frames_total", ("direction", "in"), *FIXED, ("port", "frames")): 5,
        ("interact_frames_total", ("direction", "out"), *FIXED, ("port", "out")): 4,
        ("interact_frame_bytes_total", ("direction", "in"), *FIXED, ("port", "frames")): 1000,
        ("interact_frame_bytes_total", ("direction", "out"), *FIXED, ("port", "out")): 800,
        **{
            ("interact_frame_errors_total", ("kind", kind), *FIXED): count
            for kind, count in (kinds | {"too-large": 0, "external": 0}).items()
        },
        ("interact_frames_dropped_total", *FIXED, ("reason", "overrun")): 6,
        ("interact_inflight_messages", *FIXED): 9,
        ("interact_parameter_revision", *FIXED): 7,
        ("interact_scan_completeness_ratio", *FIXED): 0.25,
        ("interact_triggers_total", *FIXED, ("state", "done")): 2,
    }


def test_times_are_told_as_histograms():
    found = samples(health().answer("GET", "/metrics")[2])

    def bucket(name, bound):
        return found[name + "_bucket", ("le", bound), *FIXED]

    name = "interact_message_duration_seconds"
    assert [bucket(name, bound) for bound in ("0.05", "0.1", "+Inf")] == [0, 1, 1]
    assert (found[name + "_sum", *FIXED], found[name + "_count", *FIXED]) == (0.1, 1)
    name = "interact_end_to_end_seconds"
    assert [bucket(name, bound) for bound in ("250.0", "+Inf")] == [0, 1]
    assert found["interact_publish_blocked_seconds_total", *FIXED] == 1.5


def test_no_metric_has_a_label_that_grows_with_the_data():
    bounded = {"port", "direction", "kind", "reason", "state"}

    assert {label for one in _health_metrics.FAMILIES for label in one.labels} == bounded


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_is_answered_over_http():
    async with _health.served(health(), "127.0.0.1", 0) as port:
        got = await asked(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        headed = await asked(port, b"HEAD /readyz HTTP/1.0\r\n\r\n")

    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\nok\n")
    assert headed.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", id="too long"),
        pytest.param(b"\r\n\r\n", id="empty"),
        pytest.param(b"GET\r\n\r\n", id="no path"),
    ],
)
async def test_what_is_no_request_gets_no_answer_and_does_no_harm(request_):
    async with _health.served(health(), "127.0.0.1", 0) as port:
        assert await asked(port, request_) == b""
        assert (await asked(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_request_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_health, "REQUEST_SECONDS", 0.05)
    async with _health.served(health(), "127.0.0.1", 0) as port:
        assert await asked(port, b"GET /healthz HTTP/1.1\r\n") == b""


async def test_more_requests_at_a_time_than_it_serves_are_turned_away(monkeypatch):
    monkeypatch.setattr(_health, "MAX_REQUESTS", 1)
    async with _health.served(health(), "127.0.0.1", 0) as port:
        _, held = await asyncio.open_connection("127.0.0.1", port)
        held.write(b"GET /healthz")
        await held.drain()
        async with asyncio.timeout(30):
            while b" 503 " not in await asked(port, b"GET /healthz HTTP/1.1\r\n\r\n"):
                pass
        held.close()


async def test_nothing_listens_where_nobody_asked_for_it():
    async with _health.served(health(), "127.0.0.1", None) as port:
        assert port is None


async def test_an_address_that_is_taken_is_named():
    async with _health.served(health(), "127.0.0.1", 0) as port:
        with pytest.raises(SettingsError, match=f"INTERACT_HTTP_PORT {port} cannot be listened on"):
            async with _health.served(health(), "127.0.0.1", port):
                pass
