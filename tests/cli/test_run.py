"""`interact run` on a real nats-server, from the command line to files and exit codes."""

import asyncio
import json
import signal

import numpy as np
import psutil
import pytest
from cli import programs
from cli.conftest import TIMEOUT_SECONDS, by_name, sums
from interact import _jetstream
from interact.cli.exits import Exit
from PIL import Image

ENDLESS = ("--set", "reader.repeats=0", "--set", "reader.pause=0.02", "--set", "reader.mark=mark")

pytestmark = [pytest.mark.nats, pytest.mark.slow]


def test_a_scan_becomes_a_picture_and_a_document(desk):
    code, said = desk.run("--images", "out", "--set", "sum.gain=3", "--replicas", "sum=2")

    assert code == said["exit"]["code"] == Exit.COMPLETE
    (scan,) = said["pipelines"][0]["scans"]
    assert {**scan, "id": ""} == {
        "id": "", "total": 45, "covered": 45, "complete": True, "state": "complete", "missing": {},
        "shape": [5, 9],
    }  # fmt: skip
    assert {name: one["frames"] for name, one in by_name(said).items()} == dict.fromkeys(
        ("reader", "sum", "picture", "show"), 45
    )
    assert by_name(said)["sum"]["replicas"] == 2
    with np.load(desk.folder / "out" / "picture.npz") as arrays:
        assert arrays["total"].tolist() == sums(5, 9, gain=3).tolist()
    with Image.open(desk.folder / "out" / "picture.png") as drawn:
        assert drawn.size == (9, 5)
    facts = json.loads((desk.folder / "out" / "picture.json").read_text())
    assert facts["parameters"]["sum"] == {"gain": 3, "fail_at": -1, "die_at": -1, "died": None}
    assert (facts["title"], facts["units"], facts["final"]) == ("Sums", {"total": "counts"}, True)
    assert said["logs"] is None
    assert desk.leftovers == []


def test_a_frame_the_kernel_raises_on_is_counted_and_left_out_in_lines_that_line_up(desk):
    done = desk.do("run", "pipeline.yaml", "--plain", "--set", "sum.fail_at=17")

    lines = done.stdout.splitlines()
    assert done.returncode == Exit.FAILED, done.stdout + done.stderr
    head = next(number for number, line in enumerate(lines) if line.startswith("operator "))
    table = lines[head : head + 5]
    for title in ("frames", "frames/s", "MB/s", "failed", "restarts"):
        end = table[0].index(f" {title}") + 1 + len(title)
        assert all(line[end - 1] != " " and line[end : end + 1] in {"", " "} for line in table)
    sum_row = next(line.split() for line in table if line.startswith("sum "))
    assert (sum_row[1], sum_row[4]) == ("45", "1")
    assert any("1 failed" in line for line in lines if "-reader-0" in line)
    assert "ValueError: frame 17 is bad" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_replica_and_a_reducer_killed_in_the_middle_cost_no_frame(desk):
    dead = {name: desk.folder / f"{name}.died" for name in ("sum", "picture")}
    code, said = desk.run(
        "--replicas", "sum=2", "--images", "out", "--set", "reader.pause=0.2",
        "--set", "sum.die_at=21", "--set", f"sum.died={dead['sum']}",
        "--set", "picture.die_at=33", "--set", f"picture.died={dead['picture']}",
    )  # fmt: skip

    assert (code, all(one.exists() for one in dead.values())) == (Exit.COMPLETE, True)
    assert {name: by_name(said)[name]["restarts"] for name in dead} == {"sum": 1, "picture": 1}
    assert said["pipelines"][0]["scans"][0]["covered"] == 45
    with np.load(desk.folder / "out" / "picture.npz") as arrays:
        assert arrays["total"].tolist() == sums(5, 9).tolist()


def test_a_reducer_that_cannot_keep_its_state_is_given_the_scan_again_when_it_is_killed(desk):
    code, said = desk.run(
        "--images", "out", "--set", "picture.hoard=true", "--set", "reader.pause=0.3",
        "--set", "picture.die_at=41", "--set", f"picture.died={desk.folder / 'died'}",
    )  # fmt: skip

    assert (code, (desk.folder / "died").exists()) == (Exit.COMPLETE, True)
    assert "no checkpoint, so nothing is acknowledged" in json.dumps(said)
    with np.load(desk.folder / "out" / "picture.npz") as arrays:
        assert arrays["total"].tolist() == sums(5, 9).tolist()


def test_an_operator_that_cannot_start_fails_the_run_with_its_own_words(desk):
    (desk.folder / "pipeline.yaml").write_text(programs.pipeline(kernel="unlicensed"))

    done = desk.do("run", "pipeline.yaml", "--logs", "logs")

    assert done.returncode == Exit.CRASHED
    assert "sum/0 has code that cannot be used" in done.stdout
    assert "the licence server is on strike" in done.stdout
    assert (desk.folder / "logs" / "demo.sum.0.log").read_text().count("on strike") == 1


def test_frames_that_never_come_make_a_run_incomplete(desk):
    code, said = desk.run("--set", "reader.absent=6")

    assert code == Exit.INCOMPLETE
    assert said["pipelines"][0]["scans"][0]["missing"] == {"missing": 6}
    assert said["messages"] == ["6 frames of 1 scan missing"]


def test_a_source_that_hangs_is_a_stall_that_names_who_waits(desk):
    done = desk.do("run", "pipeline.yaml", "--stall-seconds", "1", "--set", "reader.hang=true")

    assert done.returncode == Exit.STALLED
    assert "reader: has sent 4 frames and says it is running" in done.stdout
    assert "sum: waits for frames on 'frames' from reader.out, which is running" in done.stdout
    assert "4 of 45 frames are accounted for" in done.stdout


def test_no_process_outlives_a_runner_that_is_killed(desk):
    with desk.under_way("run", "pipeline.yaml", *ENDLESS) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=TIMEOUT_SECONDS)
    _, alive = psutil.wait_procs(children, timeout=TIMEOUT_SECONDS)

    assert (len(children), alive) == (5, [])


def test_an_interrupt_finishes_what_is_under_way(desk):
    with desk.under_way("run", "pipeline.yaml", "--output", "json", *ENDLESS) as process:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=TIMEOUT_SECONDS)

    said = json.loads(out)
    frames = {name: one["frames"] for name, one in by_name(said).items() if name != "show"}
    assert process.returncode == said["exit"]["code"] == Exit.INTERRUPTED
    assert frames["reader"] == frames["sum"] == frames["picture"] > 12
    assert desk.leftovers == []


def test_a_server_that_dies_ends_the_run(desk):
    with desk.under_way("run", "pipeline.yaml", *ENDLESS) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        next(child for child in children if child.name() == "nats-server").kill()
        out, _ = process.communicate(timeout=TIMEOUT_SECONDS)

    assert process.returncode == Exit.NO_NATS
    assert "is gone" in out


def test_a_run_of_limited_duration_stops_its_sources(desk):
    code, said = desk.run(
        "--duration", "0.5", "--set", "reader.repeats=0", "--set", "reader.pause=0.01"
    )

    assert code in {Exit.COMPLETE, Exit.INCOMPLETE}  # by where in a scan the time was up
    assert said["messages"][0] == "the time given by --duration is up"
    assert by_name(said)["reader"]["frames"] == by_name(said)["picture"]["frames"] > 0


def test_two_pipelines_run_on_a_server_that_was_there_and_leave_it_clean(desk, nats):
    both = f"{programs.pipeline('one')}---\n{programs.pipeline('two')}"
    (desk.folder / "pipeline.yaml").write_text(both)

    code, said = desk.run(
        "--nats", nats.url, "--nats-token-file", nats.token_file, "--images", "out",
        "--set", "two/sum.gain=2",
    )  # fmt: skip

    assert (code, said["nats"]) == (Exit.COMPLETE, nats.url)
    for name, gain in (("one", 1), ("two", 2)):
        with np.load(desk.folder / "out" / name / "picture.npz") as arrays:
            assert arrays["total"].tolist() == sums(5, 9, gain).tolist()
    assert _streams(nats) == []


def test_pictures_of_a_run_that_was_kept_can_be_saved_later(desk, nats):
    where = ("--nats", nats.url, "--nats-token-file", nats.token_file)
    code, _ = desk.run(*where, "--keep", "--namespace", "kept", "--images", "first")

    done = desk.do("images", "-o", "again", *where, "--pipeline", "demo")

    assert (code, done.returncode) == (Exit.COMPLETE, 0), done.stderr
    for ending in ("json", "npz", "png"):
        first, again = (desk.folder / f / f"picture.{ending}" for f in ("first", "again"))
        assert first.read_bytes() == again.read_bytes()
    assert (_streams(nats) != [], desk.leftovers != []) == (True, True)
    other = desk.invoke("images", "-o", "again", *where, "--pipeline", "other")
    assert other.returncode == Exit.USAGE


@pytest.mark.parametrize("option", ["--images", "--logs"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_starts(desk, option):
    (desk.folder / "taken").write_text("a file")

    done = desk.do("run", "pipeline.yaml", option, "taken")

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr == f"{option} taken: cannot be made: File exists; name another folder\n"
    assert desk.leftovers == []


def test_pictures_that_cannot_be_written_are_told_with_the_result(desk):
    (desk.folder / "out" / "picture.png").mkdir(parents=True)

    code, said = desk.run("--images", "out")

    assert code == Exit.USAGE
    assert "pictures cannot be saved" in said["messages"][-1]
    assert "picture.png" in said["messages"][-1]
    assert said["pipelines"][0]["scans"][0]["complete"]


def test_a_server_nobody_answers_at_is_no_nats(desk):
    done = desk.do("run", "pipeline.yaml", "--nats", "nats://127.0.0.1:1")

    assert done.returncode == Exit.NO_NATS
    assert "no NATS at nats://127.0.0.1:1" in done.stdout + done.stderr


def _streams(nats):
    async def found():
        async with _jetstream.connect(nats.url, name="test", token=nats.token) as broker:
            return list(await broker.streams())

    return asyncio.run(found())
