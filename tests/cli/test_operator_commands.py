"""`interact operator …`: specifications from code, trials on files, beginnings that work."""

import json
import subprocess
import sys

import numpy as np
import pytest
from interact.cli import starter, trial, trial_data
from interact.cli.app import app
from interact.cli.exits import CommandError, Exit
from typer.testing import CliRunner


def operator(*arguments):
    return CliRunner().invoke(app, ["operator", *map(str, arguments)])


@pytest.fixture
def frames(tmp_path):
    """A file of 3 x 4 frames of 5 x 7 pixels."""
    data = np.random.default_rng(5).poisson(3, (3, 4, 5, 7)).astype(np.uint16)
    np.save(tmp_path / "frames.npy", data)
    return tmp_path / "frames.npy", data


def test_spec_writes_what_check_accepts_and_keeps_the_image(tmp_path, operators):
    (tmp_path / "run.py").write_text((operators / "adding" / "run.py").read_text())
    stale = operator("spec", "--check", tmp_path / "run.py")
    written = (operators / "adding" / "operator.yaml").read_text()
    named = written.replace("interact/adding:latest", "example.org/adding:v3")
    (tmp_path / "operator.yaml").write_text(named.replace("The sum of", "Some sum of"))

    operator("spec", "--write", tmp_path / "run.py")
    fresh = operator("spec", "--check", tmp_path / "run.py")

    assert isinstance(stale.exception, CommandError)
    assert (stale.exception.code, "is stale" in str(stale.exception)) == (Exit.INTERNAL, True)
    assert ((tmp_path / "operator.yaml").read_text(), fresh.exit_code) == (named, 0)


def test_spec_tells_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "run.py").write_text("raise RuntimeError('no detector')\n")

    done = operator("spec", tmp_path / "run.py")

    assert "no detector" in str(done.exception)


def test_try_shows_shapes_and_figures_of_a_kernel(frames, operators):
    file, data = frames
    sums = 3 * data.sum(axis=(2, 3))

    done = operator(
        "try",
        operators / "adding" / "run.py",
        "--input",
        file,
        "--set",
        "gain=3",
        "--output",
        "json",
    )

    said = json.loads(done.output)
    assert said["parameters"]["gain"] == 3
    assert said["outputs"]["out"]["frames"] == 12
    assert said["outputs"]["out"]["arrays"]["total"] == {
        "dtype": said["outputs"]["out"]["arrays"]["total"]["dtype"],
        "shape": [12],
        "minimum": sums.min(),
        "maximum": sums.max(),
        "mean": pytest.approx(sums.mean()),
        "not_finite": 0,
    }


def test_try_runs_a_reducer_on_named_columns(tmp_path, operators):
    np.savez(tmp_path / "values.npz", total=np.array([4.0, 9.0, 2.0]))

    said = trial.attempt(
        operators / "placing" / "run.py", trial_data.Data(tmp_path / "values.npz"), ()
    )

    assert said["outputs"]["out"]["kind"] == "image"
    assert said["outputs"]["out"]["arrays"]["total"]["maximum"] == 9.0
    assert "total  float64 3  minimum 2  maximum 9  mean 5" in trial.text(said)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        pytest.param(("gian=3",), "operator adding has gain, fail_at", id="an unknown parameter"),
        pytest.param(("gain=300",), "at most 100", id="out of bounds"),
        pytest.param(("gain=much",), "whole number", id="of another type"),
    ],
)
def test_try_refuses_parameters_the_operator_does_not_take(frames, operators, sets, words):
    with pytest.raises(CommandError, match=words) as caught:
        trial.attempt(operators / "adding" / "run.py", trial_data.Data(frames[0]), sets)

    assert caught.value.code is Exit.USAGE


def test_try_tells_what_a_kernel_raises(frames, operators):
    with pytest.raises(CommandError, match="ValueError: frame 7 is bad") as caught:
        trial.attempt(operators / "adding" / "run.py", trial_data.Data(frames[0]), ("fail_at=7",))

    assert caught.value.code is Exit.FAILED


def test_try_without_data_says_what_is_missing(operators):
    with pytest.raises(CommandError, match="give --input FILE"):
        trial.attempt(operators / "adding" / "run.py", None, ())


def test_statistics_of_parts_are_those_of_the_whole():
    data = np.random.default_rng(2).normal(size=(11, 3))
    data[4, 1] = np.nan
    statistics = trial.Statistics()

    for part in (data[:4], data[4:5], data[5:]):
        statistics.add(part)

    assert statistics.document() == {
        "dtype": "float64",
        "shape": [11, 3],
        "minimum": np.nanmin(data),
        "maximum": np.nanmax(data),
        "mean": pytest.approx(np.nanmean(data)),
        "not_finite": 1,
    }


@pytest.mark.slow
def test_a_new_operator_has_a_test_that_passes_and_a_fresh_specification(tmp_path):
    files = starter.create("bright-pixels", tmp_path)

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(files[0].parent)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    checked = operator("spec", "--check", files[0])

    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout
    assert checked.exit_code == 0
    assert [file.name for file in files] == [
        "run.py", "test_bright_pixels.py", "Containerfile", "operator.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["Bright", "bright field", "../up", "-a", "class", "é", ""])
def test_a_name_that_is_no_operators_is_refused(tmp_path, name):
    with pytest.raises(CommandError, match="is no operator's name"):
        starter.create(name, tmp_path)


def test_a_folder_that_exists_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()

    with pytest.raises(CommandError, match="exists"):
        starter.create("mine", tmp_path)

    assert list((tmp_path / "mine").iterdir()) == []


def test_try_reads_scan_files_with_what_they_do_not_say(tmp_path, operators):
    data = np.random.default_rng(6).poisson(3, (12, 5, 7)).astype(np.uint16)
    np.savez(tmp_path / "scan.npz", frames=data, dark=data[:2])
    shaped = trial_data.Data(tmp_path / "scan.npz", "frames", (3, 4))

    said = trial.attempt(operators / "adding" / "run.py", shaped, ())

    assert said["outputs"]["out"]["frames"] == 12
    assert said["outputs"]["out"]["arrays"]["total"]["maximum"] == data.sum(axis=(1, 2)).max()


def test_try_tells_why_a_file_cannot_be_read(tmp_path, operators):
    (tmp_path / "scan.h5").write_bytes(b"no HDF5")

    with pytest.raises(CommandError, match=r"scan\.h5") as caught:
        trial.attempt(operators / "adding" / "run.py", trial_data.Data(tmp_path / "scan.h5"), ())

    assert caught.value.code is Exit.USAGE


@pytest.mark.parametrize("shape", ["3x4", "3,4,5", "0,4", "three"])
def test_try_refuses_a_shape_that_is_none(frames, operators, shape):
    run = operators / "adding" / "run.py"

    done = operator("try", run, "--input", frames[0], "--scan-shape", shape)

    assert f"--scan-shape {shape}: write ROWS,COLUMNS" in str(done.exception)
