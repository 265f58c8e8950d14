"""A person installs Interact, runs the example, compares its pictures, and removes everything.

The tests of this file are one story and run in their order.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml
from cluster.waiting import eventually
from e2e.conftest import DATA, WORK, values
from e2e.real import ROOT, SYSTEM, Cluster, Images, Object, ProgramError

from examples import _comparisons, _table
from examples._saved import MissingPictureError, saved

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3000)]
EXAMPLE = ROOT / "examples" / "srtio3"
PICTURES = ("com", "dpc", "fields", "pattern")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


def pipeline() -> Object:
    """The example, with its file on a volume and not paced."""
    made: Object = yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text())
    [reader] = [one for one in made["spec"]["operators"] if one["name"] == "reader"]
    reader["parameters"] |= {"path": f"{DATA}/simulated.h5", "rate": 0}
    reader["template"] = {
        "volumes": [
            {"name": "scans", "persistentVolumeClaim": {"claimName": "scans", "readOnly": True}}
        ],
        "volumeMounts": [{"name": "scans", "mountPath": DATA, "readOnly": True}],
    }
    return made


def condition(cluster: Cluster, kind: str) -> Object:
    found = cluster.get("pipeline", "srtio3", "-n", WORK).get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


def test_the_chart_s_own_test_passes(release: Cluster):
    said = release.helm("test", "interact", "-n", SYSTEM, "--timeout", "120s")

    assert "Phase:          Succeeded" in said


def test_every_pod_runs_under_pod_security_restricted(release: Cluster):
    labels = release.get("namespace", SYSTEM)["metadata"]["labels"]
    pods = release.items("pods", "-n", SYSTEM)

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods) == [
        "controller", "controller", "nats",
    ]  # fmt: skip
    assert all(one["ready"] for pod in pods for one in pod["status"]["containerStatuses"])


def test_a_pipeline_before_its_operators_waits_and_says_for_what(work: Cluster):
    work.apply(pipeline(), WORK)

    found = eventually(lambda: condition(work, "Ready"), "a Ready condition", within=60)
    assert (found["status"], found["reason"]) == ("False", "OperatorsNotFound")
    assert "scan-reader" in found["message"]
    assert work.get("pipeline", "srtio3", "-n", WORK)["status"]["phase"] == "Pending"


def test_it_runs_when_they_come_and_ends_complete(work: Cluster, images: Images):
    work.helm("install", "operators", "helm/interact-catalogue", "-n", WORK,
              "--set", f"image.prefix={images.prefix}", "--set", f"image.tag={images.tag}")  # fmt: skip

    work.kubectl(
        "wait",
        "-n",
        WORK,
        "--for=condition=Completed",
        "pipeline/srtio3",
        "--timeout=300s",
        seconds=320,
    )

    status = work.get("pipeline", "srtio3", "-n", WORK)["status"]
    assert status["phase"] == "Completed"
    assert condition(work, "Ready")["status"] == "True"
    assert status["observedGeneration"] == 1


def test_a_complete_pipeline_holds_no_pods_and_does_not_begin_again(work: Cluster):
    selector = "interact.science/pipeline=srtio3"

    deployments = work.items("deployments", "-n", WORK, "-l", selector)
    assert len(deployments) == 8
    assert {one["spec"]["replicas"] for one in deployments} == {0}
    eventually(lambda: not work.items("pods", "-n", WORK, "-l", selector), "no pod", within=120)
    said = work.kubectl(
        "get", "events", "-n", WORK, "-o", "custom-columns=reason:.reason", "--no-headers"
    )
    assert "BackOff" not in said


def test_the_pictures_are_the_references(work: Cluster, pictures: Path):
    work.interact("images", "srtio3", "-n", WORK, "--out", str(pictures / "cluster"))

    rows = _comparisons.simulated(EXAMPLE, pictures / "cluster")
    assert _table.exit_code(rows) == 0, _table.table(rows)


def test_the_pictures_are_those_of_a_local_run_bit_for_bit(work: Cluster, pictures: Path):
    work.interact(
        "run",
        str(EXAMPLE / "pipeline.yaml"),
        "--images",
        str(pictures / "local"),
        "--set",
        "reader.rate=0",
    )

    for name in PICTURES:
        here, there = (saved(pictures / place, name) for place in ("local", "cluster"))
        assert there.completeness == here.completeness == 1.0
        assert there.channels.keys() == here.channels.keys()
        for channel, array in here.channels.items():
            other = there.channels[channel]
            assert (array.dtype, array.shape) == (other.dtype, other.shape)
            assert np.asarray(array).tobytes() == np.asarray(other).tobytes(), f"{name}.{channel}"


def test_frames_flow_while_the_controller_is_killed(work: Cluster, pictures: Path):
    slow = pipeline()
    slow["metadata"]["name"] = "slow"
    slow["spec"]["operators"][0]["parameters"]["rate"] = 60  # a minute for 4096 frames
    work.apply(slow, WORK)
    work.kubectl(
        "wait", "-n", WORK, "--for=condition=Ready", "pipeline/slow", "--timeout=120s", seconds=150
    )
    eventually(lambda: seen(work, pictures) > 0, "a first picture", within=90)
    before = ours(work, "slow")

    controllers(work, 0)
    killed_at = seen(work, pictures)
    flowing = eventually(
        lambda: seen(work, pictures) > killed_at + 0.2, "frames without a controller", within=90
    )
    controllers(work, 2)

    assert flowing
    assert ours(work, "slow") == before
    work.kubectl(
        "wait",
        "-n",
        WORK,
        "--for=condition=Completed",
        "pipeline/slow",
        "--timeout=180s",
        seconds=200,
    )
    assert seen(work, pictures) == 1.0


def seen(cluster: Cluster, pictures: Path) -> float:
    """How much of the slow scan its picture shows; 0 without one."""
    try:
        cluster.interact("images", "slow", "-n", WORK, "--out", str(pictures / "slow"))
        return float(saved(pictures / "slow", "com").completeness)
    except (ProgramError, MissingPictureError):
        return 0.0


def ours(cluster: Cluster, name: str) -> Object:
    """What a pipeline's Deployments are, as far as we own it."""
    made = yaml.safe_load(
        cluster.kubectl("get", "deployments", "-n", WORK, "-l", f"interact.science/pipeline={name}",
                        "--show-managed-fields", "-o", "yaml")
    )  # fmt: skip
    return {
        one["metadata"]["name"]: (
            one["metadata"]["generation"],
            [f for f in one["metadata"]["managedFields"] if f["manager"].startswith("interact-")],
        )
        for one in made["items"]
    }


def controllers(cluster: Cluster, replicas: int) -> None:
    """Kill all of them, or start some again."""
    deployment, component = (
        "deployment/interact-controller",
        "app.kubernetes.io/component=controller",
    )
    cluster.kubectl("scale", "-n", SYSTEM, deployment, f"--replicas={replicas}")
    if replicas:
        cluster.kubectl("rollout", "status", "-n", SYSTEM, deployment, "--timeout=90s")
        return
    cluster.kubectl("delete", "pods", "-n", SYSTEM, "-l", component, "--grace-period=0", "--force")
    cluster.kubectl("wait", "-n", SYSTEM, "--for=delete", "pod", "-l", component, "--timeout=90s")


def test_a_namespace_goes_while_controller_and_nats_are_away(work: Cluster):
    assert streams(work)
    controllers(work, 0)
    work.kubectl("scale", "-n", SYSTEM, "statefulset/interact-nats", "--replicas=0")
    work.kubectl("wait", "-n", SYSTEM, "--for=delete", "pod/interact-nats-0", "--timeout=90s")

    work.kubectl("delete", "namespace", WORK, "--timeout=120s", seconds=150)

    assert WORK not in {one["metadata"]["name"] for one in work.items("namespaces")}


def test_streams_are_swept_when_they_are_back(release: Cluster):
    release.kubectl("scale", "-n", SYSTEM, "statefulset/interact-nats", "--replicas=1")
    release.kubectl("rollout", "status", "-n", SYSTEM, "statefulset/interact-nats", "--timeout=90s")
    controllers(release, 2)

    eventually(
        lambda: not streams(release), lambda: f"no stream; there are {streams(release)}", within=120
    )


LIST = """
import asyncio, nats, os
async def main():
    client = await nats.connect(os.environ["INTERACT_NATS_URL"])
    for one in await client.jetstream().streams_info():
        print(one.config.name)
    await client.close()
asyncio.run(main())
"""


def streams(cluster: Cluster) -> list[str]:
    """Names of all streams, asked from a controller's pod."""
    said = cluster.kubectl(
        "exec", "-n", SYSTEM, "deployment/interact-controller", "--", "python", "-c", LIST
    )
    return said.split()


def test_uninstalling_leaves_nothing(release: Cluster, images: Images):
    release.helm(
        "upgrade",
        "interact",
        "helm/interact",
        "-n",
        SYSTEM,
        *values(images),
        "--set",
        "crds.keep=false",
    )

    release.helm("uninstall", "interact", "-n", SYSTEM, "--wait", "--timeout", "180s")

    ours = "app.kubernetes.io/part-of=interact"
    kinds = "deployments,statefulsets,pods,services,networkpolicies,roles,rolebindings,serviceaccounts,pvc"
    eventually(
        lambda: not release.items(kinds, "-n", SYSTEM, "-l", ours), "nothing left", within=120
    )
    outside = "clusterroles,clusterrolebindings,crd"
    eventually(lambda: not release.items(outside, "-l", ours), "nothing left outside", within=60)
    eventually(lambda: not release.items("pvc", "-n", SYSTEM), "no claim left", within=60)
