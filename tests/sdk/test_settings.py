"""What an operator process is told by its environment."""

import json
import tempfile
from pathlib import Path

import pytest
from interact import SettingsError
from interact._settings import MAX_REPLICA, settings

CONFIG = {
    "namespace": "n", "pipeline": "p", "operator": "sum", "run": "00", "role": "transform",
    "parallel": True, "replicas": 4, "kernel_timeout_seconds": 1, "inputs": [], "outputs": [],
    "dead_letter_subject": "d", "dead_letter_stream": "d", "state_bucket": "s",
    "images_subject": "i", "images_stream": "i", "status_subject": "st",
}  # fmt: skip


def environment(*, parallel=True, **variables):
    return {"INTERACT_CONFIG": json.dumps({**CONFIG, "parallel": parallel}), **variables}


def test_the_configuration_may_stand_in_the_variable_itself():
    found = settings(environment())

    assert found.config.operator == "sum"
    assert (found.config.parameters, found.config.revision) == ({}, 0)
    assert found.http_port is None
    assert found.replica == 0


def test_the_configuration_may_stand_in_a_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIG, "parameters": {"gain": 2.0}, "revision": 3}))

    found = settings({"INTERACT_CONFIG": str(path)}).config

    assert (found.parameters, found.revision) == ({"gain": 2.0}, 3)


def test_pods_of_a_parallel_operator_have_numbers_of_their_own_that_stay():
    pods = [f"demo--sum-7d9c5b-{letter}x{letter}" for letter in "abcdefghijklmnop"]

    numbers = [settings(environment(INTERACT_POD=pod)).replica for pod in pods]

    assert len(set(numbers)) == len(pods)
    assert all(0 < number < MAX_REPLICA for number in numbers)
    assert numbers == [settings(environment(INTERACT_POD=pod)).replica for pod in pods]
    assert numbers[0] == 1_702_595_356, "another build gives the same pod the same number"


def test_the_one_pod_of_an_operator_that_is_not_parallel_is_replica_0():
    assert settings(environment(parallel=False, INTERACT_POD="demo--sum-x")).replica == 0


def test_a_number_that_is_given_goes_before_the_pod():
    assert settings(environment(INTERACT_POD="demo--sum-x", INTERACT_REPLICA="3")).replica == 3


def test_probes_are_answered_where_it_is_asked_for():
    found = settings(environment(INTERACT_HTTP_PORT="9090"))
    inside = settings(environment(INTERACT_HTTP_PORT="0", INTERACT_HTTP_HOST="127.0.0.9"))

    assert (found.http_host, found.http_port) == ("0.0.0.0", 9090)  # noqa: S104
    assert (inside.http_host, inside.http_port) == ("127.0.0.9", 0)


def test_a_token_is_read_and_a_secret_that_nobody_made_is_none(tmp_path):
    file = tmp_path / "token"
    word = "opensesame"
    file.write_text(f"{word}\n")

    assert settings(environment(INTERACT_NATS_TOKEN_FILE=str(file))).token == word
    assert settings(environment(INTERACT_NATS_TOKEN_FILE=str(tmp_path / "none"))).token is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"INTERACT_CONFIG": ""}, "INTERACT_CONFIG is not set", id="no configuration"),
        pytest.param(
            {"INTERACT_CONFIG": '{"namespace": 1'}, "JSON in INTERACT_CONFIG", id="broken JSON"
        ),
        pytest.param({"INTERACT_CONFIG": "nowhere.json"}, "names nowhere.json", id="no such file"),
        pytest.param(
            {"INTERACT_REPLICA": "-1"}, "INTERACT_REPLICA is '-1'", id="a replica below 0"
        ),
        pytest.param({"INTERACT_REPLICA": "²"}, "INTERACT_REPLICA is '²'", id="an odd digit"),
        pytest.param({"INTERACT_REPLICA": "2147483648"}, "to 2147483647", id="too large a replica"),
        pytest.param({"INTERACT_HTTP_PORT": "http"}, "whole number from 0 to 65535", id="a word"),
        pytest.param({"INTERACT_HTTP_PORT": "65536"}, "INTERACT_HTTP_PORT", id="too large a port"),
        pytest.param({"INTERACT_PATIENCE_SECONDS": "ever"}, "number of seconds", id="no number"),
        pytest.param({"INTERACT_PATIENCE_SECONDS": "nan"}, "number of seconds", id="nan"),
        pytest.param({"INTERACT_GRACE_SECONDS": "-3"}, "INTERACT_GRACE_SECONDS is '-3'", id="past"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(variables, words):
    with pytest.raises(SettingsError, match=words):
        settings({**environment(), **variables})


def test_what_outlives_a_process_lies_beside_its_configuration_or_where_it_is_told(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))

    assert settings({"INTERACT_CONFIG": str(path)}).scratch == tmp_path
    assert settings(environment()).scratch == Path(tempfile.gettempdir())
    assert settings(environment(INTERACT_SCRATCH=str(tmp_path / "x"))).scratch == tmp_path / "x"


def test_a_breaker_may_be_told_when_to_open():
    assert settings(environment()).breaker_messages == 20
    assert settings(environment(INTERACT_BREAKER_MESSAGES="0")).breaker_messages == 0
