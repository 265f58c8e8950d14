"""Runs and systems from files: each problem has its field, its value, its rule and a remedy."""

import pytest
import yaml
from interact_api.load import SpecError, load

OPERATOR = """
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: judge}
spec:
  image: example/judge:1
  parameters:
  - {name: dose, type: float, minimum: 0, maximum: 10, required: true}
  - {name: mode, type: str-enum, options: [fast, exact], default: fast}
  execution: {mode: external, driver: human, human: {instructions: Look at the image.}}
---
"""
RUN = {"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun", "metadata": {"name": "r"}}
SYSTEM = RUN | {"kind": "ExternalSystem"}
HUMAN = {"driver": "human", "human": {"instructions": "look"}}
HTTP = {"url": "https://a.example", "submit": {"path": "/a"}, "check": {"path": "/b"}, "states": {}}


def read(*documents):
    return load(OPERATOR + yaml.safe_dump_all(documents), origin="file", operators={})


def told(document):
    with pytest.raises(SpecError) as error:
        read(document)
    return [(one.path, f"{one.value}: {one.rule}; {one.remedy}") for one in error.value.problems]


def test_runs_and_systems_are_read_beside_operators():
    found = read(
        RUN | {"spec": HUMAN},
        RUN | {"metadata": {"name": "of-operator"}, "spec": {"operator": {"name": "judge"}, "parameters": [{"name": "dose", "value": "3"}]}},
        SYSTEM | {"spec": {"driver": "http", "http": HTTP, "namespaces": ["stem"]}},
    )  # fmt: skip

    assert [one.metadata.name for one in found.runs] == ["r", "of-operator"]
    assert [one.spec.admits("stem") for one in found.systems] == [True]
    assert [one.spec.admits("other") for one in found.systems] == [False]
    assert found.runs[1].spec.values == {"dose": "3"}


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        (HUMAN | {"timeout": "0s"}, "spec.timeout", "'0s' is 0 seconds; it is from 1ms"),
        (HUMAN | {"deadline": "99999h"}, "spec.deadline", "from 1ms to 8760h"),
        (HUMAN | {"retry": {"backoff": "0ms"}}, "spec.retry.backoff", "from 1ms to 8760h"),
        (
            {"driver": "human", "human": {"instructions": "x", "form": [1]}},
            "spec.human.form",
            "a form is a JSON Schema of an object",
        ),
        (
            {"driver": "slurm", "system": "a", "slurm": {"script": "x", "artifacts": ["../a"]}},
            "spec.slurm.artifacts[0]",
            "'..'",
        ),
        (
            HUMAN | {"parameters": [{"name": "a", "value": "x" * 300_000}]},
            "spec.parameters",
            "300,009 bytes of JSON; at most 262,144, put the rest into an input",
        ),
        (
            {"operator": {"name": "judge"}, "parameters": [{"name": "dose", "value": 11}]},
            "spec.parameters[0].value",
            "it is at most 10",
        ),
        (
            {"operator": {"name": "judge"}, "parameters": [{"name": "doze", "value": 1}]},
            "spec.parameters[0].name",
            "'doze': 'judge' has no such parameter; it has dose, mode",
        ),
        ({"operator": {"name": "judge"}}, "spec.parameters", "'dose' has no value"),
        ({**HUMAN, "secret": "a"}, "spec.secret", "unknown field"),
        ({**HUMAN, "url": "https://a.example"}, "spec.url", "unknown field"),
        ({"driver": "human"}, "spec", "say what the driver is to do"),
    ],
)
def test_a_run_that_cannot_work_is_refused_with_its_field_and_a_remedy(spec, path, words):
    found = told(RUN | {"spec": spec})

    assert any(at == path and words in text for at, text in found), found


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"driver": "http", "http": HTTP, "pollInterval": "0s"}, "spec.pollInterval", "0 seconds"),
        ({"driver": "http", "http": {**HTTP, "timeout": "0s"}}, "spec.http.timeout", "0 seconds"),
        ({"driver": "slurm"}, "spec", "slurm is said where the driver is slurm"),
        ({"driver": "human"}, "spec.driver", "choose one of them"),
    ],
)
def test_a_system_that_cannot_work_is_refused_too(spec, path, words):
    found = told(SYSTEM | {"spec": spec})

    assert any(at == path and words in text for at, text in found), found


def test_an_operator_that_is_not_external_is_no_operator_of_a_run():
    text = OPERATOR.replace("mode: external, driver: human, human: {instructions: Look at the image.}", "mode: streaming")  # fmt: skip

    with pytest.raises(SpecError) as error:
        load(text + yaml.safe_dump(RUN | {"spec": {"operator": {"name": "judge"}}}), operators={})

    assert "name one whose mode is external" in str(error.value)


def test_the_times_and_the_form_of_an_operator_are_checked_too():
    text = OPERATOR.replace("human: {", "waitingTimeout: 0s, human: {form: 3, ")

    with pytest.raises(SpecError) as error:
        load(text, operators={})

    paths = [one.path for one in error.value.problems]
    assert paths == ["spec.execution.waitingTimeout", "spec.execution.human.form"]
