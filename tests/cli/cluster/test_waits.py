"""Waiting for a pipeline, with a clock of the test's own."""

from dataclasses import dataclass, field

import pytest
from cli.cluster import stored
from interact.cli.cluster import progress, waits
from interact.cli.cluster.api import ApiError
from interact.cli.cluster.waits import Patience
from interact.cli.exits import CommandError, Exit


@dataclass
class Days:
    """A clock that moves by pauses alone; after each, ``then`` happens."""

    then: list = field(default_factory=list)
    now: float = 0.0
    heard: list = field(default_factory=list)

    def pause(self, seconds):
        self.now += seconds
        if self.then:
            self.then.pop(0)()

    def patience(self, seconds=10.0):
        return Patience(seconds, self.heard.append, lambda: self.now, self.pause)


def phase(name, replicas):
    states = [stored.operator_state("sum", ready=replicas, replicas=replicas)]
    return stored.pipeline(status={"phase": name, "operators": states})


def put(where, found):
    return lambda: where.api.kept.update({stored.PATHS["Pipeline"] + "demo": found})


def test_what_is_missing_is_told_when_it_changes_and_the_end_is_given_back():
    where, last = stored.place(phase("Running", 3)), phase("Suspended", 0)
    days = Days(
        [put(where, phase("Running", 3)), put(where, phase("Running", 1)), put(where, last)]
    )

    after = waits.until(where, phase("Running", 3), progress.suspended, days.patience())

    assert after == last
    assert days.heard == ["waiting: 3 replicas left", "waiting: 1 replica left"]


def test_waiting_ends_in_time_and_says_what_was_missing():
    where, days = stored.place(phase("Running", 3)), Days()

    with pytest.raises(CommandError, match="not so after 2 s: 3 replicas left") as raised:
        waits.until(where, phase("Running", 3), progress.suspended, days.patience(2))

    assert (raised.value.code, days.now) == (Exit.TIMEOUT, 2.0)


def test_without_patience_one_look_decides():
    where, days = stored.place(phase("Suspended", 0)), Days()

    waits.until(where, phase("Running", 3), progress.suspended, days.patience(0))

    assert days.now == 0


def test_another_pipeline_of_the_name_is_not_taken_for_it():
    other = phase("Suspended", 0)
    other["metadata"]["uid"] = "u-2"

    with pytest.raises(CommandError, match="made anew") as raised:
        waits.until(stored.place(other), phase("Running", 3), progress.suspended, Days().patience())

    assert raised.value.code is Exit.NOT_FOUND


def test_a_pipeline_that_is_deleted_meanwhile_is_not_waited_for():
    with pytest.raises(CommandError, match="there is no pipeline 'demo'") as raised:
        waits.until(stored.place(), phase("Running", 3), progress.suspended, Days().patience())

    assert raised.value.code is Exit.NOT_FOUND


def test_a_deleted_pipeline_is_gone_with_its_last_pod():
    pods = "/api/v1/namespaces/lab/pods"
    where = stored.place(phase("Running", 1), paths={pods: {"items": [{}, {}]}})
    days = Days([
        lambda: where.api.kept.pop(stored.PATHS["Pipeline"] + "demo"),
        lambda: where.api.kept.update({pods: {"items": []}}),
    ])  # fmt: skip

    waits.until_gone(where, phase("Running", 1), days.patience())

    assert days.heard == ["waiting: the object is there", "waiting: its pods are ending"]
    assert {query["labelSelector"] for path, query in where.api.asked if path == pods} == {
        "interact.science/pipeline=demo"
    }


def test_a_cluster_that_does_not_answer_for_a_while_ends_no_wait():
    where, last = stored.place(phase("Running", 3)), phase("Suspended", 0)
    path = stored.PATHS["Pipeline"] + "demo"
    where.api.refused[path] = ApiError(0, "https://a: Connection refused")
    days = Days([lambda: None, where.api.refused.clear, put(where, last)])

    after = waits.until(where, phase("Running", 3), progress.suspended, days.patience())

    assert after == last
    assert days.heard == [
        "waiting: no API server answers at https://a: Connection refused",
        "waiting: 3 replicas left",
    ]


def test_a_cluster_that_never_answers_again_ends_it_in_time():
    where = stored.place()
    where.api.refused[stored.PATHS["Pipeline"] + "demo"] = ApiError(503, "busy")

    with pytest.raises(CommandError, match="answers 503: busy") as raised:
        waits.until(where, phase("Running", 3), progress.suspended, Days().patience(2))

    assert raised.value.code is Exit.TIMEOUT
