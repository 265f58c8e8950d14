"""`interact dlq`: what it shows, what it sends, and how it ends."""

import asyncio
import io
import json

import numpy as np
import pytest
from interact import Scan, Values, _codec
from interact._jetstream import connect
from interact._server import nats_server
from interact.cli import dlq_work, presence
from interact.cli.app import app
from interact.cli.exits import CommandError, Exit
from interact.cli.presence import Presence
from sdk.at_work import collector, given, planned
from sdk.redriving import fragile

pytestmark = pytest.mark.nats

PIPELINE = "post"
SCAN = Scan("s-1", (3, 5))
WHY = {
    "kind": "exception", "operator": "fragile", "port": "part", "source": "given.out",
    "error": "RuntimeError: hot pixel\x1b[31m in frame 3", "traceback": "Traceback\n  line 3\n",
    "image": "fragile:1", "revision": 3, "attempts": 2, "sequence": 41, "at": 1700000000.0,
}  # fmt: skip


def letter(frame, scan=SCAN, **why) -> bytes:
    column = np.arange(frame, frame + 1)
    batch = Values(scan=scan, start=frame, stop=frame + 1, columns={"v": column})
    attributes = {**WHY, **why}
    return _codec.encode(
        batch.replace(attributes=attributes), identity=frame.to_bytes(16), lane="given"
    )


LETTERS = [
    ("fragile", letter(3)),
    ("fragile", letter(4, Scan("s-2", (3, 5)))),
    ("collect", letter(9, operator="collect", source="fragile.out", kind="timeout")),
    ("fragile", b"rubbish"),
]


def plan():
    edges = [("given.out", "fragile.part"), ("fragile.out", "collect.part")]
    read, _ = given(None)
    return planned(PIPELINE, [read, fragile(), collector()[0]], edges)


@pytest.fixture(scope="module")
def server():
    with nats_server() as running:
        yield running


@pytest.fixture
def stream(server, tmp_path, monkeypatch):
    """A run with four dead letters, and the messages that wait at its first edge."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    made = plan()
    config = made.operators["fragile"]

    async def make():
        async with connect(server.url, name="test", token=server.token) as broker:
            for one in made.streams:
                await broker.make(one)
            for operator, payload in LETTERS:
                await broker.publish(f"interact-dead.test.{PIPELINE}.{operator}", payload)
            await broker.flush()

    async def waiting():
        async with connect(server.url, name="test", token=server.token) as broker:
            entry = config.inputs[0]
            pull = await broker.context.pull_subscribe_bind(entry.durable, entry.stream)
            count, _ = await broker.pending(entry.stream, entry.durable)
            found = await pull.fetch(count) if count else []
            return [_codec.decode(message.data) for message in found]

    async def remove():
        async with connect(server.url, name="test", token=server.token) as broker:
            for one in made.streams:
                await broker.context.delete_stream(one.name)

    asyncio.run(make())
    run = Presence(
        namespace="test", pipelines=(PIPELINE,), nats_url=server.url, token=server.token or ""
    )
    with presence.shown(run):
        yield lambda: asyncio.run(waiting())
    asyncio.run(remove())


def do(*words):
    """Run a command of `interact dlq`; its exit code, and the words of its error."""
    try:
        app(["dlq", *map(str, words)], standalone_mode=False)
    except CommandError as error:
        return error.code, error.lines
    return Exit.COMPLETE, ()


def numbers(capsys):
    capsys.readouterr()
    assert do("list", PIPELINE, "-o", "json")[0] is Exit.COMPLETE
    return [one["id"] for one in json.loads(capsys.readouterr().out)]


def test_letters_are_listed_in_columns(stream, capsys):
    assert do("list", PIPELINE) == (Exit.COMPLETE, ())

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "OPERATOR", "PORT", "SCAN", "FRAME", "KIND", "ERROR", "AGE"]
    assert lines[1].split()[:6] == ["1", "fragile", "part", "s-1", "3", "exception"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4"]
    assert lines[4].split()[:6] == ["4", "fragile", "-", "-", "-", "unreadable"]
    starts = {line.index(cell) for line, cell in zip(lines[1:4], ["part"] * 3, strict=True)}
    assert len(starts) == 1, "the columns line up"
    assert "\x1b" not in "".join(lines), "an error cannot steer the terminal"


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        pytest.param(["--operator", "collect"], [3], id="of an operator"),
        pytest.param(["--scan", "s-2"], [2], id="of a scan"),
        pytest.param(["--operator", "fragile", "--scan", "s-1"], [1, ], id="of both"),
        pytest.param(["--operator", "nobody"], [], id="of nobody"),
    ],
)  # fmt: skip
def test_the_list_can_be_narrowed(stream, capsys, filters, left):
    do("list", PIPELINE, "-o", "json", *filters)

    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == left


def test_one_letter_is_told_in_full(stream, capsys):
    do("show", PIPELINE, 1)

    lines = capsys.readouterr().out.splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    assert facts["Port"].strip() == "part, which reads given.out"
    assert facts["Error"].strip() == "RuntimeError: hot pixel [31m in frame 3"
    assert facts["Image"].strip() == "fragile:1"
    assert facts["Message"].strip() == "41 of stream given.out"
    assert facts["Content"].strip() == "values: column_v <i8 (1)"
    assert lines[-2:] == ["  Traceback", "    line 3"]


def test_the_frame_of_a_letter_is_written_as_a_file(stream, tmp_path, capsys):
    assert do("show", PIPELINE, 2, "--save", tmp_path / "frame.npz")[0] is Exit.COMPLETE
    assert do("show", PIPELINE, 4, "--save", tmp_path / "raw.npz")[0] is Exit.COMPLETE

    with np.load(tmp_path / "frame.npz") as frame:
        assert frame["column_v"].tolist() == [4]
        assert frame["index"].tolist() == [4]
        facts = json.loads(frame["facts"].tobytes())
    assert (facts["scan"], facts["geometry"]["shape"], facts["error"]) == (
        "s-2", [3, 5], WHY["error"],
    )  # fmt: skip
    with np.load(io.BytesIO((tmp_path / "raw.npz").read_bytes())) as raw:
        assert raw["payload"].tobytes() == b"rubbish"


def test_a_letter_is_removed_once_its_frame_is_stored(stream, capsys):
    assert do("redrive", PIPELINE, 1, 2) == (Exit.COMPLETE, ())

    assert "1 sent: frames 3 of scan s-1 to fragile.part" in capsys.readouterr().out
    assert numbers(capsys) == [3, 4]
    sent = stream()
    assert [(header.edition, batch.scan.id, batch.start) for header, batch in sent] == [
        (1, "s-1", 3), (1, "s-2", 4),
    ]  # fmt: skip


def test_a_dry_run_tells_and_changes_nothing(stream, capsys):
    assert do("redrive", PIPELINE, "--all", "--scan", "s-1", "--operator", "fragile", "--dry-run") == (
        Exit.COMPLETE, (),
    )  # fmt: skip

    assert "1 would be sent: frames 3 of scan s-1" in capsys.readouterr().out
    assert numbers(capsys) == [1, 2, 3, 4]
    assert stream() == []


def test_what_cannot_be_sent_stays_and_the_rest_goes(stream, capsys):
    code, lines = do("redrive", PIPELINE, "--all")

    assert (code, lines) == (Exit.INCOMPLETE, ("3 of 4 letters sent again, 1 kept",))
    assert "4 kept: letter 4 does not say where it came from" in capsys.readouterr().err
    assert numbers(capsys) == [4]


def test_letters_are_dropped_when_somebody_agrees(stream, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, [words] = do("drop", PIPELINE, "--all")
    assert (code, words) == (
        Exit.USAGE, "nothing was dropped; --yes does it without a question",
    )  # fmt: skip
    assert numbers(capsys) == [1, 2, 3, 4]

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert do("drop", PIPELINE, 1)[0] is Exit.COMPLETE
    assert do("drop", PIPELINE, "--all", "--operator", "fragile", "--yes")[0] is Exit.COMPLETE

    assert "2 dead letters dropped" in capsys.readouterr().out
    assert numbers(capsys) == [3]
    assert stream() == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        pytest.param(("show", PIPELINE, 17), Exit.NOT_FOUND, "has no dead letter 17", id="no such letter"),
        pytest.param(("redrive", PIPELINE, 1, 17), Exit.NOT_FOUND, "has no dead letter 17", id="one is not there"),
        pytest.param(("redrive", PIPELINE), Exit.USAGE, "or give --all", id="nothing chosen"),
        pytest.param(("drop", PIPELINE, 1, "--all"), Exit.USAGE, "either numbers or --all", id="both"),
        pytest.param(("list", "nobody", "--local"), Exit.NOT_FOUND, "no run on this machine", id="no such pipeline"),
    ],
)  # fmt: skip
def test_what_is_wrong_says_what_to_do(stream, capsys, words, code, told):
    ended, lines = do(*words)

    assert ended is code
    assert told in " ".join(lines)
    assert numbers(capsys) == [1, 2, 3, 4]


def over(condition="Completed", status="True", **about):
    said = [{"type": condition, "status": status}]
    return {"metadata": {"name": PIPELINE, **about}, "status": {"conditions": said}}


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(over(), id="completed"),
        pytest.param(over("Ready", deletionTimestamp="2026-01-01T00:00:00Z"), id="being deleted"),
    ],
)
def test_nothing_is_sent_to_a_pipeline_that_is_over(resource):
    with pytest.raises(CommandError, match="the letters are kept") as caught:
        dlq_work.check_awake(resource)

    assert caught.value.code is Exit.INVALID


@pytest.mark.parametrize("resource", [{}, over(status="False"), over("Ready")])
def test_a_pipeline_that_goes_on_is_sent_to(resource):
    dlq_work.check_awake(resource)
