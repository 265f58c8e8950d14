import io
import json
import logging
from collections.abc import Iterator

import pytest
from interact_controller import logs


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_object_with_its_facts(told: io.StringIO) -> None:
    logging.getLogger("here").warning("two\nlines", extra={"stream": "s", "value": {1}})

    (line,) = told.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "warning", "logger": "here", "message": "two\nlines", "stream": "s",
        "value": "{1}",
    }  # fmt: skip


def test_a_failure_has_its_traceback_and_stays_on_one_line(told: io.StringIO) -> None:
    try:
        raise ValueError("a slip")
    except ValueError:
        logging.getLogger("here").exception("failed")

    (line,) = told.getvalue().splitlines()
    assert "ValueError: a slip" in json.loads(line)["traceback"]


def test_libraries_are_quiet_about_their_daily_life(told: io.StringIO) -> None:
    logging.getLogger("kopf.objects").info("daily life")
    logging.getLogger("here").debug("too much")
    logging.getLogger("kopf.objects").error("trouble")

    assert [json.loads(line)["message"] for line in told.getvalue().splitlines()] == ["trouble"]


def test_people_may_read_text_with_the_facts_behind(told: io.StringIO) -> None:
    logs.configure("INFO", told, form="text")

    logging.getLogger("here").info("looked", extra={"stream": "s", "seconds": 2})

    assert told.getvalue().endswith("INFO here: looked stream=s seconds=2\n")
