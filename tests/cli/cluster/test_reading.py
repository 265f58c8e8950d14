"""`interact get`, `describe` and `top` on a real API server."""

import json
import signal
import subprocess

import yaml
from cli.cluster import labs
from cli.cluster.stored import condition, operator_state
from interact.cli.exits import Exit


def test_get_shows_the_columns_of_kubectl(lab, plane, namespace):
    lab.write_status(
        phase="Running", readyOperators="2/2", framesPerSecond=1200.5, lag=7,
        conditions=[condition("Ready")],
    )  # fmt: skip

    shown = lab.said("get").splitlines()
    kubectl = plane.kubectl("get", "pipelines", "-n", namespace).splitlines()

    assert shown[0].split() == kubectl[0].split()
    assert shown[1].split()[:6] == ["demo", "True", "Running", "2/2", "1200.5", "7"]
    assert "REASON" in lab.said("get", "-o", "wide")


def test_get_lists_by_kind_name_and_label(lab):
    lab.kube.apply(labs.pipeline("other"))

    assert lab.said("get", "-o", "name").split() == [
        "pipeline.interact.science/demo", "pipeline.interact.science/other",
    ]  # fmt: skip
    assert lab.said("get", "-o", "name", "-l", "scan=other").split() == [
        "pipeline.interact.science/other"
    ]
    assert lab.said("get", "operators", "-o", "name", "-l", "kind=source").split() == [
        "interactoperator.interact.science/counting"
    ]
    assert [line.split()[0] for line in lab.said("get", "other").splitlines()] == ["NAME", "other"]
    assert lab.said("get", "pipeline.interact.science/demo", "-o", "name").split() == [
        "pipeline.interact.science/demo"
    ]


def test_get_prints_documents_that_can_be_applied_again(lab):
    as_json = json.loads(lab.said("get", "demo", "-o", "json"))
    as_yaml = yaml.safe_load(lab.said("get", "demo", "-o", "yaml"))
    both = json.loads(lab.said("get", "operators", "-o", "json"))

    assert as_json == as_yaml
    assert (as_json["kind"], "managedFields" in as_json["metadata"]) == ("Pipeline", False)
    assert [one["kind"] for one in both["items"]] == ["InteractOperator"] * 2
    lab.kube.apply(yaml.safe_dump({**as_yaml, "metadata": {"name": "again"}}))


def test_get_looks_in_all_namespaces(lab, plane, make_namespace):
    other = make_namespace()
    plane.kube(other).apply(labs.pipeline("far"))
    lab.where = [*lab.where[:2], "-A"]

    rows = [line.split()[:2] for line in lab.said("get").splitlines()]

    assert rows[0] == ["NAMESPACE", "NAME"]
    assert [other, "far"] in rows
    assert {one["metadata"]["name"] for one in json.loads(lab.said("get", "-o", "json"))["items"]} >= {"demo", "far"}  # fmt: skip


def test_get_of_nothing_is_no_error_and_of_a_name_that_is_not_there_is(lab, make_namespace):
    empty = labs.Lab(lab.kube, lab.where[1], make_namespace())

    code, out, err = empty.do("get")

    assert (code, out, "no pipelines in namespace" in err) == (0, "", True)
    assert lab.refused("get", "absent") == (
        Exit.NOT_FOUND,
        f"there is no pipeline 'absent' in namespace {lab.where[3]!r}; there are demo",
    )
    assert lab.refused("get", "operators", "absent", "-o", "json")[0] is Exit.NOT_FOUND


def test_a_selector_that_is_none_is_refused_in_the_server_s_words(lab):
    code, err = lab.refused("get", "-l", "a=b=c")

    assert (code, "found '='" in err) == (Exit.INVALID, True), err


def test_get_watches_until_interrupted(lab, plane):
    from cli.conftest import COMMAND

    with subprocess.Popen(
        [*COMMAND, "get", "-w", *lab.where], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=watching(),
    ) as process:  # fmt: skip
        head = [process.stdout.readline().split()[0] for _ in range(2)]
        lab.write_status(phase="Running")
        changed = process.stdout.readline().split()
        lab.kube.apply(labs.pipeline("other"))
        added = process.stdout.readline().split()
        lab.kube.delete("pipelines", "other")
        gone = process.stdout.readline().split()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert (head, changed[0], changed[2]) == (["NAME", "demo"], "demo", "Running")
    assert (added[0], gone[0]) == ("other", "other")
    assert (process.returncode, err) == (Exit.INTERRUPTED, "")


def watching():
    import os

    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_describe_tells_what_the_status_and_events_say(lab, namespace):
    states = [operator_state("reader", image="example.org/counting:1")]
    lab.write_status(
        phase="Pending", operators=states,
        conditions=[condition("Ready", "False", "ImageNotPulled", "the registry says no")],
    )  # fmt: skip
    found = lab.get()
    lab.kube.create({
        "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "demo-"},
        "type": "Warning", "reason": "ImageNotPulled", "message": "reader cannot start",
        "involvedObject": {"kind": "Pipeline", "name": "demo", "namespace": namespace, "uid": found["metadata"]["uid"]},
    })  # fmt: skip

    text = lab.said("describe", "demo")

    assert "Ready   False    ImageNotPulled" in text
    assert "the registry says no" in text
    assert "reader cannot start" in text
    assert 'sum: mode="fast"' in text


def test_describe_tells_what_an_operator_takes(lab):
    text = lab.said("describe", "operator", "adding")

    assert "from 1 to 100" in text
    assert lab.refused("describe", "operator", "absent")[0] is Exit.NOT_FOUND


def test_top_shows_every_operator_once_where_there_is_no_terminal(lab):
    edge = {"from": "reader.out", "to": "sum.in", "pendingMessages": 12, "pendingBytes": 3_000_000}
    states = [operator_state("reader", framesPerSecond=1200.0), operator_state("sum", ready=0)]
    lab.write_status(phase="Degraded", operators=states, edges=[edge])

    rows = [line.split() for line in lab.said("top", "demo").splitlines()]

    assert rows[1] == ["demo", "Degraded"]
    assert rows[2][:3] == ["reader", "1/1", "1,200"]
    assert rows[3] == ["sum", "0/1", "0", *"----", "12", "0", "3.0", "-", "0", "0"]
