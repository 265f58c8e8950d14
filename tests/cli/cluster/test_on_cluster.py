"""The commands on a real API server; statuses are written as the controller would."""

import json
import signal
import subprocess
import threading

import pytest
import yaml
from cli.cluster.stored import condition, operator_state
from cluster.waiting import eventually
from interact.cli.app import app
from interact.cli.cluster import changing, connecting
from interact.cli.cluster.options import Where
from interact.cli.cluster.waits import Patience
from interact.cli.exits import CommandError, Exit
from typer.testing import CliRunner

OPERATORS = """\
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: counting, labels: {kind: source}}
spec:
  image: example.org/counting:1
  outputs: [{name: out, type: dense}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: adding}
spec:
  image: example.org/adding:1
  inputs: [{name: in, type: dense}]
  outputs: [{name: out, type: dense}]
  parallelConfig: {type: embarrassing}
  parameters:
  - {name: gain, type: int, default: "1", minimum: 1, maximum: 100}
  - {name: mode, type: str-enum, options: [fast, exact]}
"""


def pipeline(name="demo", **spec):
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name, "labels": {"scan": name}},
        "spec": {
            "operators": [
                {"name": "reader", "operatorRef": {"name": "counting"}},
                {"name": "sum", "operatorRef": {"name": "adding"}, "parameters": {"mode": "fast"}},
            ],
            "edges": [{"from": "reader.out", "to": "sum.in"}],
            **spec,
        },
    }


class Desk:
    """A person with a kubeconfig."""

    def __init__(self, kube, kubeconfig, namespace):
        self.kube = kube
        self.where = ["--kubeconfig", str(kubeconfig), "-n", namespace]

    def do(self, *arguments):
        """Run a command; its exit code, its output and what it said of errors."""
        result = CliRunner().invoke(app, [*map(str, arguments), *self.where])
        if isinstance(result.exception, CommandError):
            return result.exception.code, result.stdout, "\n".join(result.exception.lines)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def said(self, *arguments):
        """The output of a command that has to succeed."""
        code, out, err = self.do(*arguments)
        assert code == 0, (code, out, err)
        return out

    def refused(self, *arguments):
        """The exit code and the words of a command that has to fail."""
        code, out, err = self.do(*arguments)
        assert code != 0, out
        return Exit(code), err

    def get(self, name="demo"):
        return self.kube.get("pipelines", name)

    def write_status(self, name="demo", **status):
        """What a controller would say of the present specification."""
        seen = {"observedGeneration": self.get(name)["metadata"]["generation"]}
        conditions = [
            {**one, "observedGeneration": seen["observedGeneration"]}
            for one in status.pop("conditions", [])
        ]
        body = {**seen, **status, "conditions": conditions}
        return self.kube.patch_status("pipelines", name, body)


@pytest.fixture
def desk(plane, kube, namespace):
    """A namespace with two operators and the pipeline ``demo``."""
    kube.apply(OPERATORS)
    kube.apply(pipeline())
    return Desk(kube, plane.kubeconfig, namespace)


def answered(desk, command, answer, *more):
    """Run a command that waits, and ``answer`` as the controller once it said what it waits for."""
    done = []
    waiting = threading.Thread(target=lambda: done.append(desk.do(*command, "--wait", *more)))
    before = desk.get()["metadata"]["generation"]
    waiting.start()
    eventually(lambda: desk.get()["metadata"]["generation"] > before, "the specification changed")
    answer()
    waiting.join(30)
    assert done, "the command still waits"
    return done[0]


def test_get_shows_the_columns_of_kubectl(desk, plane, namespace):
    desk.write_status(
        phase="Running", readyOperators="2/2", framesPerSecond=1200.5, lag=7,
        conditions=[condition("Ready")],
    )  # fmt: skip

    shown = desk.said("get").splitlines()
    kubectl = plane.kubectl("get", "pipelines", "-n", namespace).splitlines()

    assert shown[0].split() == kubectl[0].split()
    assert shown[1].split()[:6] == ["demo", "True", "Running", "2/2", "1200.5", "7"]
    assert "REASON" in desk.said("get", "-o", "wide")


def test_get_lists_by_kind_name_and_label(desk):
    desk.kube.apply(pipeline("other"))

    assert desk.said("get", "-o", "name").split() == [
        "pipeline.interact.science/demo", "pipeline.interact.science/other",
    ]  # fmt: skip
    assert desk.said("get", "-o", "name", "-l", "scan=other").split() == [
        "pipeline.interact.science/other"
    ]
    assert desk.said("get", "operators", "-o", "name", "-l", "kind=source").split() == [
        "interactoperator.interact.science/counting"
    ]
    assert [line.split()[0] for line in desk.said("get", "other").splitlines()] == ["NAME", "other"]
    assert desk.said("get", "pipeline.interact.science/demo", "-o", "name").split() == [
        "pipeline.interact.science/demo"
    ]


def test_get_prints_documents_that_can_be_applied_again(desk):
    as_json = json.loads(desk.said("get", "demo", "-o", "json"))
    as_yaml = yaml.safe_load(desk.said("get", "demo", "-o", "yaml"))
    both = json.loads(desk.said("get", "operators", "-o", "json"))

    assert as_json == as_yaml
    assert (as_json["kind"], "managedFields" in as_json["metadata"]) == ("Pipeline", False)
    assert [one["kind"] for one in both["items"]] == ["InteractOperator"] * 2
    desk.kube.apply(yaml.safe_dump({**as_yaml, "metadata": {"name": "again"}}))


def test_get_looks_in_all_namespaces(desk, plane, make_namespace):
    other = make_namespace()
    plane.kube(other).apply(pipeline("far"))
    desk.where = [*desk.where[:2], "-A"]

    rows = [line.split()[:2] for line in desk.said("get").splitlines()]

    assert rows[0] == ["NAMESPACE", "NAME"]
    assert [other, "far"] in rows
    assert {one["metadata"]["name"] for one in json.loads(desk.said("get", "-o", "json"))["items"]} >= {"demo", "far"}  # fmt: skip


def test_get_of_nothing_is_no_error_and_of_a_name_that_is_not_there_is(desk, make_namespace):
    empty = Desk(desk.kube, desk.where[1], make_namespace())

    code, out, err = empty.do("get")

    assert (code, out, "no pipelines in namespace" in err) == (0, "", True)
    assert desk.refused("get", "absent") == (
        Exit.NOT_FOUND,
        f"there is no pipeline 'absent' in namespace {desk.where[3]!r}; there are demo",
    )
    assert desk.refused("get", "operators", "absent", "-o", "json")[0] is Exit.NOT_FOUND


def test_a_selector_that_is_none_is_refused_in_the_server_s_words(desk):
    code, err = desk.refused("get", "-l", "a=b=c")

    assert (code, "found '='" in err) == (Exit.INVALID, True), err


def test_get_watches_until_interrupted(desk, plane):
    from cli.conftest import COMMAND

    with subprocess.Popen(
        [*COMMAND, "get", "-w", *desk.where], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=watching(),
    ) as process:  # fmt: skip
        head = [process.stdout.readline().split()[0] for _ in range(2)]
        desk.write_status(phase="Running")
        changed = process.stdout.readline().split()
        desk.kube.apply(pipeline("other"))
        added = process.stdout.readline().split()
        desk.kube.delete("pipelines", "other")
        gone = process.stdout.readline().split()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert (head, changed[0], changed[2]) == (["NAME", "demo"], "demo", "Running")
    assert (added[0], gone[0]) == ("other", "other")
    assert (process.returncode, err) == (Exit.INTERRUPTED, "")


def watching():
    import os

    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_describe_tells_what_the_status_and_events_say(desk, namespace):
    states = [operator_state("reader", image="example.org/counting:1")]
    desk.write_status(
        phase="Pending", operators=states,
        conditions=[condition("Ready", "False", "ImageNotPulled", "the registry says no")],
    )  # fmt: skip
    found = desk.get()
    desk.kube.create({
        "apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "demo-"},
        "type": "Warning", "reason": "ImageNotPulled", "message": "reader cannot start",
        "involvedObject": {"kind": "Pipeline", "name": "demo", "namespace": namespace, "uid": found["metadata"]["uid"]},
    })  # fmt: skip

    text = desk.said("describe", "demo")

    assert "Ready   False    ImageNotPulled" in text
    assert "the registry says no" in text
    assert "reader cannot start" in text
    assert 'sum: mode="fast"' in text


def test_describe_tells_what_an_operator_takes(desk):
    text = desk.said("describe", "operator", "adding")

    assert "from 1 to 100" in text
    assert desk.refused("describe", "operator", "absent")[0] is Exit.NOT_FOUND


def test_top_shows_every_operator_once_where_there_is_no_terminal(desk):
    edge = {"from": "reader.out", "to": "sum.in", "pendingMessages": 12, "pendingBytes": 3_000_000}
    states = [operator_state("reader", framesPerSecond=1200.0), operator_state("sum", ready=0)]
    desk.write_status(phase="Degraded", operators=states, edges=[edge])

    rows = [line.split() for line in desk.said("top", "demo").splitlines()]

    assert rows[1] == ["demo", "Degraded"]
    assert rows[2][:3] == ["reader", "1/1", "1,200"]
    assert rows[3] == ["sum", "0/1", "0", "-", "12", "3.0", "0"]


def test_set_types_the_value_and_tells_the_revision(desk):
    said = desk.said("set", "demo", "sum.gain=7", "sum.mode=exact")

    found = desk.get()
    assert found["spec"]["operators"][1]["parameters"] == {"gain": 7, "mode": "exact"}
    assert said == (
        "pipeline 'demo': sum.gain = 7 (was its default), sum.mode = exact (was fast); "
        f"revision {found['metadata']['generation']} is set\n"
    )


def test_set_owns_what_it_sets_and_nothing_else(desk):
    desk.said("set", "demo", "sum.gain=7")

    owned = {one["manager"]: one["fieldsV1"] for one in desk.get()["metadata"]["managedFields"]}
    operators = owned["interact-cli"]["f:spec"]["f:operators"]
    assert operators == {'k:{"name":"sum"}': {"f:parameters": {"f:gain": {}}}}


def test_set_of_what_is_so_already_changes_nothing(desk):
    before = desk.get()["metadata"]["resourceVersion"]

    said = desk.said("set", "demo", "sum.mode=fast")

    assert "all is so already" in said
    assert desk.get()["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        pytest.param("sum.gain=700", Exit.INVALID, "at most 100", id="out of bounds"),
        pytest.param("sum.gain=many", Exit.INVALID, "a whole number", id="of another type"),
        pytest.param("sum.speed=1", Exit.INVALID, "no parameter 'speed'", id="unknown parameter"),
        pytest.param("mum.gain=1", Exit.INVALID, "no operator 'mum'", id="unknown operator"),
        pytest.param("sum.gain", Exit.USAGE, "operator.parameter=value", id="no value"),
    ],
)
def test_set_refuses_before_anything_is_sent(desk, text, code, words):
    before = desk.get()["metadata"]["resourceVersion"]

    refused, err = desk.refused("set", "demo", "sum.mode=exact", text)

    assert (refused, words in err) == (code, True), err
    assert desk.get()["metadata"]["resourceVersion"] == before


def test_set_of_an_operator_that_is_not_in_the_catalogue_names_those_that_are(desk):
    desk.kube.delete("interactoperators", "adding")

    code, err = desk.refused("set", "demo", "sum.gain=7")

    assert code is Exit.NOT_FOUND
    assert "no interactoperator 'adding'" in err
    assert "there are counting" in err


def test_sets_of_two_people_at_once_both_last(desk):
    sums = [f"sum{number}" for number in range(4)]
    extra = [{"name": name, "operatorRef": {"name": "adding"}} for name in sums]
    desk.kube.apply(pipeline("wide", operators=extra, edges=[]))
    done = []

    def person(name):
        where = connecting.place(Where(desk.where[1], namespace=desk.where[3]))
        asked = changing.Asked(where, "wide", None, False, Patience(0, done.append))
        for gain in range(1, 6):
            changing.set_parameters(asked, [f"{name}.gain={gain}"])
        done.append(name)

    people = [threading.Thread(target=person, args=(name,)) for name in sums]
    for one in people:
        one.start()
    for one in people:
        one.join(60)

    assert sorted(done) == sums
    found = desk.get("wide")
    assert [one["parameters"] for one in found["spec"]["operators"]] == [{"gain": 5}] * 4
    assert found["metadata"]["generation"] == 21


def test_set_waits_until_the_revision_is_in_effect(desk):
    def controller():
        generation = desk.get()["metadata"]["generation"]
        states = [operator_state("sum", parameterRevision=generation)]
        desk.write_status(phase="Running", operators=states)

    code, out, _ = answered(desk, ("set", "demo", "sum.gain=7"), controller)

    assert (code, "is in effect" in out) == (0, True), out


def test_a_wait_ends_in_time_and_says_that_nobody_looked(desk):
    code, err = desk.refused("set", "demo", "sum.gain=7", "--wait", "--timeout", "0")

    assert code is Exit.TIMEOUT
    assert "the controller has not seen the change yet" in err
    assert desk.get()["spec"]["operators"][1]["parameters"]["gain"] == 7


def test_a_value_an_operator_refuses_while_it_runs_is_an_error(desk):
    def controller():
        refusal = [{"name": "gain", "message": "the detector is too small"}]
        desk.write_status(operators=[operator_state("sum", refusedParameters=refusal)])

    code, _, err = answered(desk, ("set", "demo", "sum.gain=7"), controller)

    assert (code, err) == (Exit.INVALID, "sum.gain is refused: the detector is too small")


def test_scale_fixes_replicas_and_removes_a_range(desk):
    found = pipeline()
    found["spec"]["operators"][1]["scale"] = {"min": 1, "max": 4}
    desk.kube.apply(found)

    said = desk.said("scale", "demo", "sum=3")

    entry = desk.get()["spec"]["operators"][1]
    assert (entry["replicas"], "scale" in entry) == (3, False)
    assert "sum.replicas = 3" in said


def test_scale_waits_for_the_replicas(desk):
    def controller():
        desk.write_status(operators=[operator_state("sum", ready=3, replicas=3)])

    code, out, _ = answered(desk, ("scale", "demo", "sum=3"), controller)

    assert (code, "all replicas are ready" in out) == (0, True)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        pytest.param("reader=2", Exit.INVALID, "not parallel", id="a source"),
        pytest.param("sum=0", Exit.INVALID, "from 1 to 128", id="none"),
        pytest.param("mum=2", Exit.INVALID, "no operator 'mum'", id="unknown operator"),
        pytest.param("sum", Exit.USAGE, "operator=NUMBER", id="no number"),
    ],
)
def test_scale_refuses_what_cannot_run(desk, text, code, words):
    refused, err = desk.refused("scale", "demo", text)

    assert (refused, words in err) == (code, True), err


def test_suspend_and_resume_switch_and_switch_back(desk):
    said = [desk.said("suspend", "demo"), desk.said("suspend", "demo"), desk.said("resume", "demo")]

    assert said == [
        "pipeline 'demo': is being suspended\n",
        "pipeline 'demo': was suspended before\n",
        "pipeline 'demo': is being resumed\n",
    ]
    assert desk.get()["spec"]["suspend"] is False


def test_suspend_waits_until_no_operator_runs(desk):
    def controller():
        desk.write_status(phase="Suspended", operators=[operator_state("sum", ready=0, replicas=0)])

    code, out, err = answered(desk, ("suspend", "demo"), controller, "-o", "json")

    assert (code, json.loads(out)["status"]["phase"]) == (0, "Suspended")
    assert "waiting: the controller has not seen the change yet" in err


def test_resume_tells_why_it_cannot_go_on(desk):
    desk.kube.patch("pipelines", "demo", {"spec": {"suspend": True}})
    stalled = [condition("Stalled", "True", "OverBudget", "give NATS more room")]

    code, _, err = answered(desk, ("resume", "demo"), lambda: desk.write_status(conditions=stalled))

    assert (code, "OverBudget: give NATS more room" in err) == (Exit.STALLED, True)


def test_drain_wakes_a_suspended_pipeline_and_waits_until_nothing_is_in_flight(desk):
    desk.kube.patch("pipelines", "demo", {"spec": {"suspend": True}})
    stopped = [operator_state("reader", ready=0, replicas=0)]

    code, out, _ = answered(
        desk, ("drain", "demo"), lambda: desk.write_status(phase="Draining", operators=stopped)
    )

    spec = desk.get()["spec"]
    assert (code, out, spec["drain"], spec["suspend"]) == (
        0, "pipeline 'demo': drained\n", True, False,
    )  # fmt: skip


def test_delete_deletes(desk):
    said = desk.said("delete", "demo", "--wait")

    assert said == "pipeline 'demo': deleted\n"
    assert desk.kube.find("pipelines", "demo") is None
    assert desk.refused("delete", "demo")[0] is Exit.NOT_FOUND


def test_delete_drains_first_where_the_policy_says_so(desk):
    desk.kube.patch("pipelines", "demo", {"spec": {"deletionPolicy": "Drain"}})
    during = []

    def controller():
        during.append(desk.get()["spec"]["drain"])
        desk.write_status(phase="Draining", operators=[operator_state("sum", ready=0, replicas=0)])

    code, out, err = answered(desk, ("delete", "demo"), controller)

    assert (code, out, during) == (0, "pipeline 'demo': deleted\n", [True])
    assert "drained first" in err
    assert desk.kube.find("pipelines", "demo") is None


def test_a_pipeline_that_does_not_drain_in_time_is_kept(desk):
    desk.kube.patch("pipelines", "demo", {"spec": {"deletionPolicy": "Drain"}})

    code, err = desk.refused("delete", "demo", "--timeout", "0")

    assert (code, "has not seen the change" in err) == (Exit.TIMEOUT, True)
    assert desk.get()["spec"]["drain"] is True
    assert desk.said("delete", "demo", "--now") == "pipeline 'demo': deleted\n"


READ_ONLY = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reads}
rules:
- {apiGroups: [interact.science], resources: [pipelines, interactoperators], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reads}
subjects: [{kind: ServiceAccount, name: reader}]
"""


def test_a_user_is_told_what_is_forbidden_and_whom_to_ask(desk, plane, namespace):
    user = Desk(desk.kube, plane.user("nobody", namespace), namespace)

    refusals = [
        user.refused(*command)
        for command in (
            ["get"], ["get", "demo", "-o", "json"], ["describe", "demo"], ["top"],
            ["set", "demo", "sum.gain=7"], ["suspend", "demo"], ["delete", "demo"],
        )
    ]  # fmt: skip

    assert {code for code, _ in refusals} == {Exit.FORBIDDEN}
    assert all("is forbidden" in err and "ask for the cluster role" in err for _, err in refusals)
    assert desk.get()["spec"].get("suspend") in {None, False}


def test_a_user_who_may_read_may_not_change(desk, plane, namespace):
    user = Desk(desk.kube, plane.user("reader", namespace), namespace)
    desk.kube.apply(READ_ONLY)
    eventually(lambda: user.do("get")[0] == 0, "the role is in effect")

    code, err = user.refused("set", "demo", "sum.gain=7")

    assert (code, "cannot patch" in err) == (Exit.FORBIDDEN, True)
    assert "Events: not known: events in namespace" in user.said("describe", "demo")
    assert user.said("get", "-o", "name") == "pipeline.interact.science/demo\n"


def test_credentials_nobody_knows_are_told_apart_from_forbidden_ones(desk, plane, tmp_path):
    config = json.loads(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "stale"}
    (tmp_path / "config").write_text(json.dumps(config))
    desk.where[1] = str(tmp_path / "config")

    code, err = desk.refused("get")

    assert (code, "log in again" in err) == (Exit.FORBIDDEN, True)


def test_another_context_is_not_there(desk):
    code, err = desk.refused("get", "--context", "elsewhere")

    assert (code, err) == (
        Exit.USAGE,
        "the kubeconfig has no context 'elsewhere'; there are test",
    )


def test_a_cluster_without_interact_says_so(separate_plane):
    bare = separate_plane(None)
    desk = Desk(bare.kube(), bare.kubeconfig, "default")

    for command in (["get"], ["describe", "demo"], ["set", "demo", "a.b=1"], ["drain", "demo"]):
        code, err = desk.refused(*command)
        assert (code, "install Interact" in err) == (Exit.NOT_FOUND, True), (command, err)
