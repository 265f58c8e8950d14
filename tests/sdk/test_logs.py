"""How an operator process logs."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest
from interact import SettingsError, _logs


@pytest.fixture
def configured():
    found = logging.getLogger()
    handlers, level = found.handlers[:], found.level

    def configured(environment, stream=None):
        found.handlers[:] = []  # an author's own logging would be left as it is
        return _logs.configure("sum", environment, stream)

    yield configured
    found.handlers[:] = handlers
    found.setLevel(level)


def test_lines_are_objects_that_say_whose_they_are(configured):
    stream = io.StringIO()
    lines = configured({"INTERACT_LOG_FORMAT": "json"}, stream)
    assert lines is not None
    lines.about.update(pipeline="run", replica=3)

    logging.getLogger("here").warning("two\nlines", extra={"frames": 7})

    [line] = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "warning", "logger": "here", "message": "two\nlines", "operator": "sum",
        "pipeline": "run", "replica": 3, "frames": 7,
    }  # fmt: skip


def test_an_exception_is_one_field(configured):
    stream = io.StringIO()
    configured({"INTERACT_LOG_FORMAT": "json"}, stream)

    try:
        raise ValueError("no mask")
    except ValueError:
        logging.getLogger("here").exception("failed")

    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["traceback"].endswith("ValueError: no mask")


def test_people_read_text_unless_they_ask_for_json(configured):
    stream = io.StringIO()

    assert configured({}, stream) is None
    logging.getLogger("here").info("at work")

    assert stream.getvalue().endswith("INFO sum: at work\n")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"INTERACT_LOG_FORMAT": "xml"}, "it is text or json"),
        ({"INTERACT_LOG": "LOUD"}, "DEBUG, INFO"),
    ],
    ids=["a format that is none", "a level that is none"],
)
def test_what_cannot_be_meant_is_refused_by_its_name(configured, given, words):
    with pytest.raises(SettingsError, match=words):
        configured(given)


def test_whatever_ends_a_process_is_logged_on_one_line(tmp_path):
    file = tmp_path / "run.py"
    file.write_text(
        "from interact import Values, operator\n"
        "@operator\n"
        "def one(values: Values) -> Values:\n"
        '    """Passes them on."""\n'
        "    return values\n"
    )
    env = {**os.environ, "INTERACT_LOG_FORMAT": "json", "INTERACT_CONFIG": "{}"}

    done = subprocess.run(
        [sys.executable, "-m", "interact", str(file)], env=env, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip

    [line] = done.stderr.splitlines()
    found = json.loads(line)
    assert (done.returncode, found["level"], found["operator"]) == (2, "error", "one")
    assert "INTERACT_CONFIG cannot be used" in found["message"]
