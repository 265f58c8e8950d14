"""The shipped operators in whole runs: exact with any number of replicas, and when one is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from interact_stem.planted import Planted

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "from interact.cli import main; main()", "run"]

PIPELINE = """
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: whole}
spec:
  operators:
  - name: scan
    operatorRef: {name: scan-generator}
    parameters: {parameters}
  - {name: moments, operatorRef: {name: center-of-mass-partial}, replicas: 4}
  - {name: com, operatorRef: {name: center-of-mass-reduce}}
  - {name: pattern, operatorRef: {name: diffraction-pattern-accumulator}}
  - {name: display, operatorRef: {name: image-display}}
  edges:
  - {from: scan.out, to: moments.frames, ackWait: 3s}
  - {from: scan.out, to: pattern.frames}
  - {from: moments.out, to: com.moments}
  - {from: com.out, to: display.image}
  - {from: pattern.out, to: display.image}
"""
APERTURES = """
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: apertures}
spec:
  operators:
  - name: scan
    operatorRef: {name: scan-generator}
    parameters: {parameters}
  - name: apertures
    operatorRef: {name: virtual-bfdf-partial}
    parameters: {center_y: 30, center_x: 50, radius: 12, inner: 12, outer: 20}
    replicas: 4
  - {name: fields, operatorRef: {name: scan-image}}
  - {name: display, operatorRef: {name: image-display}}
  edges:
  - {from: scan.out, to: apertures.frames, ackWait: 3s}
  - {from: apertures.out, to: fields.part}
  - {from: fields.out, to: display.image}
"""


@pytest.fixture
def pipeline(tmp_path):
    """Write the pipeline with some parameters of its source."""

    def write(text=PIPELINE, **parameters):
        path = tmp_path / "pipeline.yaml"
        path.write_text(text.replace("{parameters}", json.dumps(parameters)))
        return path

    return write


def environment():
    return {**os.environ, "INTERACT_OPERATORS": str(ROOT / "operators")}


def run(path, images, *arguments):
    done = subprocess.run(
        [*COMMAND, str(path), "--plain", "--images", str(images), *arguments],
        env=environment(), capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return pictures(images)


def pictures(folder):
    found = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            found |= {f"{path.stem}.{name}": arrays[name] for name in arrays.files}
    return found


@pytest.mark.parametrize(
    ("text", "parallel", "sparse", "arrays"),
    [
        pytest.param(PIPELINE, "moments", True, {"com.y", "com.x", "pattern.sum"}, id="counted"),
        pytest.param(APERTURES, "apertures", False, {"fields.bright", "fields.dark"}, id="dense"),
    ],
)
def test_one_replica_and_four_give_the_same_bits(
    pipeline, tmp_path, text, parallel, sparse, arrays
):
    path = pipeline(
        text,
        scan_rows=24,
        scan_columns=40,
        detector_rows=64,
        detector_columns=96,
        dose=300,
        sparse=sparse,
    )

    four = run(path, tmp_path / "four")
    one = run(path, tmp_path / "one", "--replicas", f"{parallel}=1")

    assert set(one) == set(four) >= arrays
    for name in one:
        assert one[name].tobytes() == four[name].tobytes(), name


@pytest.mark.timeout(170)
def test_a_replica_killed_in_a_scan_of_512_x_512_changes_nothing(pipeline, tmp_path):
    shape, detector = (512, 512), (64, 96)
    path = pipeline(
        scan_rows=512, scan_columns=512, detector_rows=64, detector_columns=96, dose=40, rate=40_000,
        frames_per_message=200,
    )  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, str(path), "--plain", "--images", str(tmp_path / "out")],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        said = []
        for line in process.stdout:
            said.append(line)
            if part_done(line) > 15:
                break
        killed = replicas(process.pid, "moments")[1]
        os.kill(killed, signal.SIGKILL)
        said += list(process.stdout)
        code = process.wait(100)

    assert code == 0, "".join(said)
    assert part_done(said[-1]) < 100
    assert any("moments/1 was killed by SIGKILL" in line for line in said), "".join(said)
    moments = Planted(shape, detector, dose=40, per_message=200).moments(np.arange(512 * 512))
    images = pictures(tmp_path / "out")
    total, y, x = (column.astype(float).reshape(shape) for column in moments.T)
    assert np.array_equal(images["com.y"], y / total)
    assert np.array_equal(images["com.x"], x / total)
    assert images["pattern.sum"].sum() == 512 * 512 * 40


def part_done(line):
    """Percent of the scan a line of progress tells; 0 for other lines."""
    words = line.split()
    return float(words[words.index("%") - 1]) if "%" in words and "scan" in words else 0.0


def replicas(pid, operator):
    """Process ids of an operator's replicas among the descendants of a run, by number."""
    found = {}
    for child in psutil.Process(pid).children(recursive=True):
        variables = child.environ()
        if "INTERACT_CONFIG" in variables and "INTERACT_REPLICA" in variables:
            config = json.loads(Path(variables["INTERACT_CONFIG"]).read_text())
            if config["operator"] == operator:
                found[int(variables["INTERACT_REPLICA"])] = child.pid
    return found
