"""`interact runs answer`: asked at a prompt, given as words or a file, checked before it is sent."""

import json
import os
import pty
import subprocess

import pytest
from cli.cluster.runs_at_work import FORM, SLURM, Runs
from cli.conftest import COMMAND
from interact.cli.cluster import runs_answers
from interact.cli.exits import CommandError, Exit


@pytest.fixture
def desk(plane, kube, namespace):
    """A person's commands in a namespace of runs."""
    return Runs(kube, plane.kubeconfig, namespace)


def test_an_answer_in_words_is_read_as_the_form_says(desk):
    desk.asked("judge-1")

    said = desk.said(
        "runs", "answer", "judge-1", "--value", "verdict=accept", "--value", "dose=3",
        "--value", "sharp=no",
    )  # fmt: skip

    assert said.startswith("run 'judge-1': 1.json is given")
    assert desk.answers("judge-1") == {
        "1.json": {
            "status": "COMPLETED",
            "data": {"verdict": "accept", "dose": 3, "sharp": False},
        }
    }


def test_an_answer_comes_from_a_file(desk, tmp_path):
    desk.asked("judge-1")
    (tmp_path / "answer.yaml").write_text("verdict: reject\ndose: 0.5\n")

    desk.said("runs", "answer", "judge-1", "--file", tmp_path / "answer.yaml")
    code, out, err = desk.do("runs", "answer", "judge-1", "--file", tmp_path / "absent")
    assert (code, out, "No such file" in err) == (Exit.USAGE, "", True)

    assert desk.answers("judge-1")["1.json"]["data"] == {"verdict": "reject", "dose": 0.5}


def test_what_the_form_does_not_take_is_not_sent_and_all_of_it_is_told(desk):
    desk.asked("judge-1")

    code, words = desk.refused("runs", "answer", "judge-1", "--value", "dose=11", "--value", "x=1")

    assert code is Exit.INVALID
    assert words.splitlines() == [
        "answer.verdict: required field; give a value, the form asks for dose, sharp, verdict",
        "answer.dose: 11: it is at most 10; lower it",
        "answer.x: unknown field; the form has dose, sharp, verdict",
    ]
    assert desk.answers("judge-1") == {}


def test_a_second_answer_has_the_next_number_and_none_follows_the_one_that_was_taken(desk):
    desk.asked("judge-1")
    desk.said("runs", "answer", "judge-1", "--value", "verdict=accept")

    desk.said("runs", "answer", "judge-1", "--failed", "no sample in the holder")
    assert desk.answers("judge-1")["2.json"] == {
        "status": "FAILED",
        "error": "no sample in the holder",
    }
    desk.kube.patch("configmaps", "judge-1-answers", {"immutable": True})
    code, words = desk.refused("runs", "answer", "judge-1", "--value", "verdict=reject")

    assert (code, "takes no more answers" in words) == (Exit.INVALID, True)


def test_a_run_that_asks_nobody_takes_no_answer(desk):
    desk.made("reduce-1", SLURM, phase="RUNNING")

    code, words = desk.refused("runs", "answer", "reduce-1", "--value", "a=1")

    assert code is Exit.NOT_FOUND
    assert "run 'reduce-1' asks nobody: it is RUNNING" in words


def test_without_a_terminal_an_answer_is_given_with_options(desk):
    desk.asked("judge-1")

    assert desk.refused("runs", "answer", "judge-1")[0] is Exit.USAGE
    code, words = desk.refused("runs", "answer", "judge-1", "--value", "a=1", "--file", "b")
    assert (code, "use one of them" in words) == (Exit.USAGE, True)


def test_at_a_terminal_each_field_is_asked_until_it_is_valid(desk):
    desk.asked("judge-1")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200"}

    with subprocess.Popen(
        [*COMMAND, "runs", "answer", "judge-1", *desk.where], stdin=theirs,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        os.write(ours, b"maybe\naccept\n11\n4\n\n")
        out, err = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)

    assert (process.returncode, "run 'judge-1': 1.json is given" in out) == (0, True), err
    assert err.startswith("Look at the image.\n")
    assert err.count("Your verdict (one of accept, reject)") == 2
    assert "answer.verdict: 'maybe': it is one of accept, reject; choose one of them" in err
    assert err.count("dose (electrons per pixel; number; may be left out)") == 2
    assert "sharp (boolean; may be left out)" in err
    assert desk.answers("judge-1")["1.json"]["data"] == {
        "verdict": "accept",
        "dose": 4,
        "sharp": True,
    }


def test_a_field_that_may_be_left_out_is_left_out_with_an_empty_line():
    words = iter(["reject", "", ""])

    assert runs_answers.ask(FORM, lambda *_: next(words), print) == {"verdict": "reject"}


@pytest.mark.parametrize("word", ["verdict", "=accept"])
def test_a_word_that_gives_no_value_is_refused(word):
    with pytest.raises(CommandError, match="write FIELD=VALUE; the form has dose, sharp, verdict"):
        runs_answers.from_words([word], FORM)


def test_a_value_is_read_as_json_where_the_form_says_nothing_of_it():
    assert runs_answers.from_words(["a=[1, 2]", "b=plain", "c=3"], {}) == {
        "a": [1, 2],
        "b": "plain",
        "c": 3,
    }
    assert json.dumps(runs_answers.from_words(["a=1"], {"properties": {"a": {"type": "string"}}})) == '{"a": "1"}'  # fmt: skip
