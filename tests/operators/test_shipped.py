"""What holds for every shipped operator: its YAML, its container, its size."""

from pathlib import Path

import numpy as np
import pytest
from interact import _spec
from interact.testing import sparse
from interact_api.load import load

SHIPPED = Path(__file__).resolve().parents[2] / "operators"
NAMES = sorted(path.parent.name for path in SHIPPED.glob("*/run.py"))


def test_the_shipped_operators_are_these():
    assert NAMES == [
        "bin-sparse-partial",
        "center-of-mass-partial",
        "center-of-mass-reduce",
        "diffraction-pattern-accumulator",
        "dpc",
        "electron-count",
        "image-display",
        "recorder",
        "replay",
        "scan-generator",
        "scan-image",
        "scan-reader",
        "virtual-bfdf-partial",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_is_what_the_code_says(shipped, name):
    operator = shipped(name)

    assert operator.name == name
    assert (SHIPPED / name / "operator.yaml").read_text() == _spec.document(operator)


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_is_an_operator_with_words_for_people(name):
    (operator,) = load((SHIPPED / name / "operator.yaml").read_text(), origin=name).operators

    assert operator.spec.description.endswith(".")
    assert all(parameter.description.endswith(".") for parameter in operator.spec.parameters)


@pytest.mark.parametrize("name", NAMES)
def test_the_container_runs_the_operator_without_privileges(name):
    lines = (SHIPPED / name / "Containerfile").read_text().splitlines()

    assert lines == [
        "ARG BASE=interact/stem:latest",
        "FROM ${BASE}",
        "COPY run.py operator.yaml /app/",
        "USER 65532",
        'ENTRYPOINT ["python", "-m", "interact", "/app/run.py"]',
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_stays_short_and_starts_by_itself(name):
    text = (SHIPPED / name / "run.py").read_text()

    assert len(text.splitlines()) <= 120
    assert text.splitlines()[-2] == 'if __name__ == "__main__":'
    assert text.startswith('"""')


DISK = {"radius": 3.0, "center_y": 5.0, "center_x": 21.0}


@pytest.mark.parametrize(
    ("name", "kind", "parameters"),
    [
        ("center-of-mass-partial", "dense", DISK),
        ("center-of-mass-partial", "sparse", DISK),
        ("virtual-bfdf-partial", "dense", DISK),
        ("virtual-bfdf-partial", "sparse", DISK),
        ("electron-count", "dense", {"background": 2.0}),
        ("bin-sparse-partial", "sparse", {"factor": 2}),
    ],
)
def test_a_batch_without_frames_is_no_error(shipped, uneven, name, kind, parameters):
    scan = sparse(uneven) if kind == "sparse" else uneven

    made = shipped(name)(scan.select(np.zeros(24, bool)), **parameters)

    assert len(made) == 0
    assert (made.start, made.stop) == (0, 24)
