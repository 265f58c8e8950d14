"""Starting an operator from its file, describing it, and what is said when that fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from interact import OperatorError, SettingsError, _main, _settings, _spec
from interact_api.load import load

BRIGHT = '''
"""Sum the pixels of each frame."""
from interact import DenseFrames, Param, Values, operator


@operator(parallel=True)
def brightness(frames: DenseFrames, *, gain: float = Param(2.0, unit="e/ADU", minimum=0)) -> Values:
    return frames.values(sum=gain * frames.data.sum(axis=(1, 2)))


if __name__ == "__main__":
    brightness.main()
'''


@pytest.fixture
def run_py(tmp_path) -> Path:
    path = tmp_path / "brightness" / "run.py"
    path.parent.mkdir()
    path.write_text(BRIGHT)
    return path


def start(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_describe_prints_yaml_that_loads(run_py):
    done = start(run_py, "--describe", "--image", "registry/brightness:1")

    found = load(done.stdout, origin="stdout").operators[0]
    assert done.returncode == 0
    assert found.metadata.name == "brightness"
    assert found.spec.image == "registry/brightness:1"
    assert found.spec.description == "Sum the pixels of each frame."
    assert found.spec.parallel
    assert [(p.name, p.unit, p.minimum) for p in found.spec.parameters] == [("gain", "e/ADU", 0)]


def test_an_operator_started_by_hand_says_what_it_needs(run_py):
    done = start(run_py, INTERACT_CONFIG="")

    assert done.returncode == 2, "started again it would end the same way"
    assert "INTERACT_CONFIG is not set" in done.stderr
    assert "interact operator try" in done.stderr
    assert "Traceback" not in done.stderr


def test_yaml_that_disagrees_with_the_code_is_shown_beside_it(run_py):
    operator = _main.found(run_py)
    written = run_py.parent / "operator.yaml"
    written.write_text(_spec.document(operator).replace("default: 2.0", "default: 5.0"))

    with pytest.raises(OperatorError) as caught:
        _spec.compare(operator, written)

    assert "parameters differ between the code and operator.yaml" in str(caught.value)
    assert "2.0" in str(caught.value)
    assert "5.0" in str(caught.value)
    assert "interact operator spec --write" in str(caught.value)


def test_words_for_people_may_differ(run_py):
    operator = _main.found(run_py)
    written = run_py.parent / "operator.yaml"
    written.write_text(_spec.document(operator).replace("label: Gain", "label: Detector gain"))

    assert _spec.compare(operator, written) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("x = 1", "defines none; a file defines exactly one", id="no operator"),
        pytest.param(
            BRIGHT + "\nother = operator(name='b')(brightness.function)", "brightness, b", id="two"
        ),
        pytest.param("import not_there", "ModuleNotFoundError", id="an import that fails"),
        pytest.param("def f(:", "SyntaxError", id="no Python"),
    ],
)
def test_a_file_without_exactly_one_operator_is_refused(run_py, text, words):
    run_py.write_text(text)

    with pytest.raises(OperatorError, match=words):
        _main.found(run_py)


def test_a_file_that_exits_at_import_is_refused_with_its_words(run_py):
    run_py.write_text("import sys\n\nsys.exit('no licence')\n")

    with pytest.raises(OperatorError, match="cannot be imported: SystemExit: no licence"):
        _main.found(run_py)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OperatorError, match="not a Python file that exists"):
        _main.found(tmp_path / "nothing.py")


def test_a_configuration_that_cannot_be_read_names_its_path(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"namespace": "x"}))

    with pytest.raises(SettingsError, match=str(path)):
        _settings.settings({"INTERACT_CONFIG": str(path)})


def test_no_server_is_said_in_words_and_ends_the_process(run_py, tmp_path):
    config = {
        "namespace": "n", "pipeline": "p", "operator": "brightness", "run": "00", "role": "transform",
        "parallel": True, "replicas": 1, "parameters": {"gain": 2.0}, "kernel_timeout_seconds": 1,
        "inputs": [], "outputs": [], "dead_letter_subject": "d", "dead_letter_stream": "d",
        "state_bucket": "s", "images_subject": "i", "images_stream": "i", "status_subject": "st",
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))

    done = start(
        "-m", "interact", run_py,
        INTERACT_CONFIG=str(path), INTERACT_NATS_URL="nats://127.0.0.1:1", INTERACT_PATIENCE_SECONDS="1",
    )  # fmt: skip

    assert done.returncode == 1
    assert "no NATS at nats://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
