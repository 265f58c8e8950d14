"""Who may do what, on which cluster."""

import json

from cli.cluster import labs
from cluster.waiting import eventually
from interact.cli.exits import Exit

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


def test_a_user_is_told_what_is_forbidden_and_whom_to_ask(lab, plane, namespace):
    user = labs.Lab(lab.kube, plane.user("nobody", namespace), namespace)

    refusals = [
        user.refused(*command)
        for command in (
            ["get"], ["get", "demo", "-o", "json"], ["describe", "demo"], ["top"],
            ["set", "demo", "sum.gain=7"], ["suspend", "demo"], ["delete", "demo"],
        )
    ]  # fmt: skip

    assert {code for code, _ in refusals} == {Exit.FORBIDDEN}
    assert all("is forbidden" in err and "ask for the cluster role" in err for _, err in refusals)
    assert lab.get()["spec"].get("suspend") in {None, False}


def test_a_user_who_may_read_may_not_change(lab, plane, namespace):
    user = labs.Lab(lab.kube, plane.user("reader", namespace), namespace)
    lab.kube.apply(READ_ONLY)
    eventually(lambda: user.do("get")[0] == 0, "the role is in effect")

    code, err = user.refused("set", "demo", "sum.gain=7")

    assert (code, "cannot patch" in err) == (Exit.FORBIDDEN, True)
    assert "Events: not known: events in namespace" in user.said("describe", "demo")
    assert user.said("get", "-o", "name") == "pipeline.interact.science/demo\n"


def test_credentials_nobody_knows_are_told_apart_from_forbidden_ones(lab, plane, tmp_path):
    config = json.loads(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "stale"}
    (tmp_path / "config").write_text(json.dumps(config))
    lab.where[1] = str(tmp_path / "config")

    code, err = lab.refused("get")

    assert (code, "log in again" in err) == (Exit.FORBIDDEN, True)


def test_another_context_is_not_there(lab):
    code, err = lab.refused("get", "--context", "elsewhere")

    assert (code, err) == (
        Exit.USAGE,
        "the kubeconfig has no context 'elsewhere'; there are test",
    )


def test_a_cluster_without_interact_says_so(separate_plane):
    bare = separate_plane(None)
    lab = labs.Lab(bare.kube(), bare.kubeconfig, "default")

    for command in (["get"], ["describe", "demo"], ["set", "demo", "a.b=1"], ["drain", "demo"]):
        code, err = lab.refused(*command)
        assert (code, "install Interact" in err) == (Exit.NOT_FOUND, True), (command, err)
