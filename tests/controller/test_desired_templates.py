"""What a pipeline may say about pods, and that nothing it says makes them less restricted."""

import string
from dataclasses import replace

import pytest
from controller.building import POLICY, Lab, catalogue, chain, operator, pipeline
from hypothesis import given
from hypothesis import strategies as st
from interact_api.config import KERNEL_TOLERANCE
from interact_api.quantities import seconds
from interact_api.template import PodTemplate
from interact_controller import observed
from interact_controller.desired import deployments, templates

TOKENS = "of-nats"
ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip


def loosened(pod):
    """What Pod Security *restricted* would refuse (its published controls, v1.36)."""
    spec, found = pod["spec"], []
    for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        found += [field] * bool(spec.get(field))
    for volume in spec.get("volumes", ()):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - ALLOWED_VOLUMES]
    security = spec.get("securityContext", {})
    found += ["sysctls"] * bool(security.get("sysctls"))
    found += ["runAsNonRoot"] * (security.get("runAsNonRoot") is not True)
    found += ["seccomp"] * (security.get("seccompProfile") != {"type": "RuntimeDefault"})
    found += ["runAsUser"] * (security.get("runAsUser") == 0)
    found += ["windows"] * ("windowsOptions" in security)
    found += ["init containers"] * bool(
        spec.get("initContainers") or spec.get("ephemeralContainers")
    )
    for container in spec["containers"]:
        own = container["securityContext"]
        found += ["escalation"] * (own.get("allowPrivilegeEscalation") is not False)
        found += ["capabilities"] * (own.get("capabilities") != {"drop": ["ALL"]})
        found += ["root file system"] * (own.get("readOnlyRootFilesystem") is not True)
        found += ["privileged"] * bool(own.get("privileged"))
        found += ["procMount"] * ("procMount" in own)
        found += ["hostPort"] * any("hostPort" in port for port in container.get("ports", ()))
    annotations = pod["metadata"].get("annotations", {})
    found += [one for one in annotations if "apparmor" in one or "seccomp" in one]
    found += ["API token"] * (spec.get("automountServiceAccountToken") is not False)
    return found


words = st.text(string.ascii_lowercase, min_size=1, max_size=8)
hostile = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(words, words, max_size=2),
        "annotations": st.dictionaries(
            st.sampled_from(
                [
                    "container.apparmor.security.beta.kubernetes.io/operator",
                    "seccomp.security.alpha.kubernetes.io/pod",
                    "note",
                ]
            ),
            st.just("unconfined"),
        ),
        "env": st.lists(
            st.builds(lambda n: {"name": n, "value": "$(HOME)"}, words), max_size=2, unique_by=str
        ),
        "volumes": st.lists(
            st.sampled_from(
                [
                    {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                    {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
                    {"name": "c", "projected": {"sources": [{"serviceAccountToken": {}}]}},
                    {"name": "interact-scratch", "secret": {"secretName": "x"}},
                ]
            ),
            max_size=3,
            unique_by=lambda one: one["name"],
        ),
        "volumeMounts": st.lists(
            st.builds(
                lambda name, path: {"name": name, "mountPath": path},
                st.sampled_from(["a", "b"]),
                st.sampled_from(
                    [deployments.TEMPORARY, "/data", "/etc/interact/nats", "/etc/../etc/interact"]
                ),
            ),
            max_size=2,
            unique_by=lambda one: one["mountPath"],
        ),
        "securityContext": st.fixed_dictionaries(
            {}, optional={"runAsUser": st.integers(1, 9), "fsGroup": st.integers(1, 9)}
        ),
        "serviceAccountName": words,
        "runtimeClassName": words,
        "nodeSelector": st.dictionaries(words, words, max_size=2),
        "affinity": st.just({"nodeAffinity": {}}),
        "terminationGracePeriodSeconds": st.integers(1, 3600),
    },
)


@given(author=hostile, override=hostile)
def test_no_template_loosens_the_pods(author, override):
    merged = templates.merged(
        PodTemplate.model_validate(author), PodTemplate.model_validate(override)
    )
    refused = list(templates.problems(merged))

    deployment = deployments.manifest(
        observed.pipeline(chain()),
        "t",
        observed.operator(operator("total")).spec,
        merged,
        POLICY,
        operator="total",
        image="example/total:1",
        config="{}",
    )

    assert refused or loosened(deployment["spec"]["template"]) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        pytest.param(
            {"annotations": {"container.apparmor.security.beta.kubernetes.io/x": "unconfined"}},
            "would loosen the pods' security",
            id="an older annotation for AppArmor",
        ),
        pytest.param(
            {"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {}}]}}]},
            "projects a serviceAccountToken",
            id="a token of the API server",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "x", "mountPath": "/data"}]},
            "add that volume",
            id="a mount without its volume",
        ),
        pytest.param(
            {
                "volumes": [{"name": "x", "emptyDir": {}}],
                "volumeMounts": [{"name": "x", "mountPath": "/etc/./interact/nats"}],
            },
            "hides the platform's files",
            id="a mount over the token",
        ),
        pytest.param(
            {"labels": {"interact.science/pipeline": "other"}},
            "is the platform's own",
            id="a label of another pipeline",
        ),
    ],
)
async def test_what_a_template_must_not_say_is_refused_with_the_remedy(template, words):
    lab = Lab(*catalogue(), chain(t={"ref": "total", "template": template}))

    await lab.look()

    assert lab.condition("Accepted") == ("False", "InvalidTemplate")
    assert words in lab.message()
    assert lab.message().startswith("spec.operators[2].template: ")


def test_a_pipelines_template_lies_over_the_authors():
    author = PodTemplate.model_validate(
        {
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            "nodeSelector": {"gpu": "yes"},
            "securityContext": {"runAsUser": 5, "fsGroup": 6},
            "terminationGracePeriodSeconds": 90,
        }
    )
    override = PodTemplate.model_validate(
        {
            "env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
            "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}},
            "nodeSelector": {"zone": "a"},
            "securityContext": {"fsGroup": 7},
        }
    )

    merged = templates.merged(author, override)

    assert [(one.name, one.value) for one in merged.env] == [("A", "1"), ("B", "2"), ("C", "3")]
    assert merged.resources is not None
    assert merged.resources.requests == {"cpu": "2", "memory": "1Gi"}
    assert merged.resources.limits == {"memory": "4Gi"}
    assert merged.node_selector == {"gpu": "yes", "zone": "a"}
    assert merged.security_context is not None
    assert (merged.security_context.run_as_user, merged.security_context.fs_group) == (5, 7)
    assert merged.termination_grace_period_seconds == 90


async def test_the_pod_has_what_the_contract_of_pods_says():
    lab = Lab(policy=replace(POLICY, pod_nats_secret=TOKENS))
    await lab.look()

    pod = lab.deployment("c")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert container["name"] == "operator"
    assert env["INTERACT_CONFIG"].startswith("{")
    assert '"parameters"' not in env["INTERACT_CONFIG"]
    assert {name: env[name] for name in env if name != "INTERACT_CONFIG"} == {
        "INTERACT_IMAGE": container["image"],
        "INTERACT_NATS_URL": "nats://nats:4222",
        "INTERACT_POD": None,
        "INTERACT_HTTP_PORT": "9090",
        "INTERACT_PATIENCE_SECONDS": "600",
        "INTERACT_GRACE_SECONDS": "15",
        "INTERACT_LOG_FORMAT": "json",
        "INTERACT_NATS_TOKEN_FILE": "/etc/interact/nats/token",
    }
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert pod["volumes"] == [
        {"name": "interact-scratch", "emptyDir": {}},
        {
            "name": "interact-nats",
            "secret": {
                "secretName": TOKENS,
                "optional": True,
                "items": [{"key": "token", "path": "token"}],
            },
        },
    ]


@pytest.mark.parametrize(
    ("kernel_timeout", "failures"),
    [
        pytest.param("1s", 6, id="no process is silent for less than a minute before it is ended"),
        pytest.param("30s", 6, id="the default"),
        pytest.param("45s", 8, id="more than a minute with the watchdog's tolerance"),
        pytest.param("1h", 452, id="an hour"),
    ],
)
async def test_a_pods_probe_never_comes_before_the_watchdog_of_a_kernel(kernel_timeout, failures):
    lab = Lab(*catalogue(), operator("centre", kernelTimeout=kernel_timeout), chain())
    await lab.look()

    (container,) = lab.deployment("c")["spec"]["template"]["spec"]["containers"]
    probe = container["livenessProbe"]

    assert probe == {
        "httpGet": {"path": "/healthz", "port": "http"},
        "initialDelaySeconds": 30,
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
    longest_seconds = KERNEL_TOLERANCE * seconds(kernel_timeout)
    assert (probe["failureThreshold"] - 1) * probe["periodSeconds"] > longest_seconds


async def test_what_is_not_parallel_is_never_there_twice():
    lab = Lab()
    await lab.look()

    strategies = {name: lab.deployment(name)["spec"]["strategy"]["type"] for name in "rcts"}

    assert strategies == {
        "r": "Recreate",
        "c": "RollingUpdate",
        "t": "Recreate",
        "s": "Recreate",
    }


async def test_a_configuration_that_does_not_fit_into_a_pod_is_refused():
    ports = [f"p{number}" for number in range(20)]
    wide = operator("wide", role="reducer", inputs=[{"name": p, "type": "dense"} for p in ports])
    placed = {"w": "wide"}
    edges = []
    hubs = [f"{hub}{'h' * 60}" for hub in "ab"]
    for source in (f"r{number}{'y' * 60}" for number in range(10, 40)):
        placed[source] = "reader"
        edges += [f"{source}.frames > {hub}.frames" for hub in hubs]
    placed |= dict.fromkeys([*hubs, *ports], "smooth")
    for port in ports:
        edges += [f"{hub}.frames > {port}.frames" for hub in hubs]
        edges.append(f"{port}.frames > w.{port}")
    lab = Lab(*catalogue(), wide, pipeline(*edges, **placed))

    await lab.look()

    assert lab.condition("Accepted") == ("False", "TooLarge")
    assert "the configuration of 'w' takes" in lab.message()
