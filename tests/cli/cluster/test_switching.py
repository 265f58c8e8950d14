"""`interact suspend`, `resume`, `drain` and `delete` on a real API server."""

import json

from cli.cluster import labs
from cli.cluster.stored import condition, operator_state
from interact.cli.exits import Exit

DRAINED = [condition("Ready", reason="Drained")]


def test_suspend_and_resume_switch_and_switch_back(lab):
    said = [lab.said("suspend", "demo"), lab.said("suspend", "demo"), lab.said("resume", "demo")]

    assert said == [
        "pipeline 'demo': is being suspended\n",
        "pipeline 'demo': was suspended before\n",
        "pipeline 'demo': is being resumed\n",
    ]
    assert lab.get()["spec"]["suspend"] is False


def test_suspend_waits_until_no_operator_runs(lab):
    def controller():
        lab.write_status(phase="Suspended", operators=[operator_state("sum", ready=0, replicas=0)])

    code, out, err = labs.answered(lab, ("suspend", "demo"), controller, "-o", "json")

    assert (code, json.loads(out)["status"]["phase"]) == (0, "Suspended")
    assert "waiting: the controller has not seen the change yet" in err


def test_resume_tells_why_it_cannot_go_on(lab):
    lab.kube.patch("pipelines", "demo", {"spec": {"suspend": True}})
    stalled = [condition("Stalled", "True", "OverBudget", "give NATS more room")]

    code, _, err = labs.answered(
        lab, ("resume", "demo"), lambda: lab.write_status(conditions=stalled)
    )

    assert (code, "OverBudget: give NATS more room" in err) == (Exit.STALLED, True)


def test_drain_wakes_a_suspended_pipeline_and_waits_until_nothing_is_in_flight(lab):
    lab.kube.patch("pipelines", "demo", {"spec": {"suspend": True}})
    stopped = [operator_state("reader", ready=0, replicas=0)]

    code, out, _ = labs.answered(
        lab,
        ("drain", "demo"),
        lambda: lab.write_status(phase="Draining", operators=stopped, conditions=DRAINED),
    )

    spec = lab.get()["spec"]
    assert (code, out, spec["drain"], spec["suspend"]) == (
        0, "pipeline 'demo': drained\n", True, False,
    )  # fmt: skip


def test_delete_deletes(lab):
    said = lab.said("delete", "demo", "--wait")

    assert said == "pipeline 'demo': deleted\n"
    assert lab.kube.find("pipelines", "demo") is None
    assert lab.refused("delete", "demo")[0] is Exit.NOT_FOUND


def test_delete_drains_first_where_the_policy_says_so(lab):
    lab.kube.patch("pipelines", "demo", {"spec": {"deletionPolicy": "Drain"}})
    during = []

    def controller():
        during.append(lab.get()["spec"]["drain"])
        lab.write_status(phase="Draining", conditions=DRAINED)

    code, out, err = labs.answered(lab, ("delete", "demo"), controller)

    assert (code, out, during) == (0, "pipeline 'demo': deleted\n", [True])
    assert "drained first" in err
    assert lab.kube.find("pipelines", "demo") is None


def test_a_pipeline_that_does_not_drain_in_time_is_kept(lab):
    lab.kube.patch("pipelines", "demo", {"spec": {"deletionPolicy": "Drain"}})

    code, err = lab.refused("delete", "demo", "--timeout", "0")

    assert (code, "has not seen the change" in err) == (Exit.TIMEOUT, True)
    assert lab.get()["spec"]["drain"] is True
    assert lab.said("delete", "demo", "--now") == "pipeline 'demo': deleted\n"
