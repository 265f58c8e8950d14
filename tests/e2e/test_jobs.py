"""External runs that are real Jobs: done once, failed with their exit code, stopped, and cleared away.

The tests of this file are one story and run in their order.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cluster.waiting import eventually
from e2e.real import SYSTEM, Cluster, Images
from interact_api import names

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
NAMESPACE = "runs"
VALUES = {"name": "out", "type": "values"}
PART = {"name": "part", "type": "values"}
TELLS = """
import json, os
given = json.loads(os.environ["INTERACT_PARAMETERS"])
open("/dev/termination-log", "w").write(json.dumps({"double": 2 * given["gain"]}))
"""
PUTS = """
import asyncio, nats, os, sys
async def main():
    client = await nats.connect(os.environ["INTERACT_NATS_URL"])
    bucket = await client.jetstream().create_object_store(sys.argv[1])
    await bucket.put("scan", bytes(range(256)) * 1000)
    await client.close()
asyncio.run(main())
"""
REMOVES = """
import asyncio, nats, os, sys
async def main():
    client = await nats.connect(os.environ["INTERACT_NATS_URL"])
    await client.jetstream().delete_object_store(sys.argv[1])
    await client.close()
asyncio.run(main())
"""
READS = """
import hashlib, json, os
[told] = json.loads(os.environ["INTERACT_INPUTS"])
data = open("/interact/inputs/" + told["name"], "rb").read()
found = {"object": told["object"], "sha256": hashlib.sha256(data).hexdigest()}
open("/dev/termination-log", "w").write(json.dumps(found))
"""
GIVES = '''
"""Two messages of more numbers than a parameter takes."""
from collections.abc import Iterator
import numpy as np
from interact import Scan, Values, source

@source(name="gives")
def gives() -> Iterator[Values]:
    """Half a scan each."""
    for start in (0, 3000):
        x = np.arange(start, start + 3000)
        yield Values(scan=Scan("s", (60, 100)), start=start, stop=start + 3000, total=6000, columns={"x": x})
'''
SUMS = """
import json, numpy
with numpy.load("/interact/inputs/message.npz") as found:
    total = int(found["x"].sum())
open("/dev/termination-log", "w").write(json.dumps({"total": total}))
"""
KEEPS = '''
"""A sink that takes nothing but the sums."""
from interact import Values, operator

@operator(name="keeps")
def keeps(part: Values) -> None:
    """Refuse a number that is not its message's."""
    expected = sum(range(part.start, part.start + 3000))
    if (part.columns["total"] != expected).any():
        raise ValueError(f"{part.columns['total']} at {part.start}")
'''
WAITS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"


@pytest.fixture(scope="module")
def runs(release: Cluster) -> Iterator[Cluster]:
    """The cluster with a namespace for runs, under Pod Security *restricted*."""
    release.namespace(NAMESPACE)
    yield release
    release.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", seconds=150)


def begin(runs: Cluster, images: Images, name: str, code: str, **said: Any) -> None:
    """Make a run whose container runs some Python."""
    job = {"image": f"{images.prefix}/base:{images.tag}", "command": ["python", "-c", code]}
    run: dict[str, Any] = {
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun", "metadata": {"name": name},
        "spec": {"driver": "kubernetes-job", "kubernetesJob": job,
                 "parameters": [{"name": "gain", "value": 2.5}], **said},
    }  # fmt: skip
    runs.apply(yaml.safe_dump(run), NAMESPACE)


def wait(runs: Cluster, name: str, condition: str) -> dict[str, Any]:
    """The status of a run once a condition of it is True."""
    runs.kubectl("wait", "-n", NAMESPACE, f"--for=condition={condition}", f"xrun/{name}",
                 "--timeout=180s", seconds=200)  # fmt: skip
    found: dict[str, Any] = runs.get("xrun", name, "-n", NAMESPACE)["status"]
    return found


def test_a_job_is_done_once_and_its_results_are_in_the_status(runs: Cluster, images: Images):
    begin(runs, images, "doubled", TELLS)

    status = wait(runs, "doubled", "Completed")

    assert status["results"] == {"double": 5.0}
    [job] = runs.items("jobs", "-n", NAMESPACE)
    assert job["metadata"]["name"] == status["idempotencyKey"]
    assert status["externalId"] == f"{NAMESPACE}/{status['idempotencyKey']}"
    assert job["status"]["succeeded"] == 1


def test_an_object_of_the_namespace_s_bucket_is_mounted(runs: Cluster, images: Images):
    bucket = names.inputs_bucket(NAMESPACE)
    within = ("exec", "-n", SYSTEM, "deployment/interact-controller", "--", "python", "-c")
    runs.kubectl(*within, PUTS, bucket)

    begin(runs, images, "reads", READS, inputs=[{"name": "scan.raw", "object": f"{bucket}/scan"}])

    sha256 = hashlib.sha256(bytes(range(256)) * 1000).hexdigest()
    told = wait(runs, "reads", "Completed")["results"]
    assert told == {"object": f"{bucket}/scan", "sha256": sha256}
    runs.kubectl(*within, REMOVES, bucket)  # it is no stream of a pipeline: nobody sweeps it


def test_a_container_that_fails_makes_its_run_fail(runs: Cluster, images: Images):
    begin(runs, images, "broken", "import sys; sys.exit('no beam')")

    status = wait(runs, "broken", "Failed")

    assert status["reason"] == "NonZeroExit"
    assert "exit code 1: no beam" in status["message"]


def test_a_cancelled_job_and_its_pod_are_gone(runs: Cluster, images: Images):
    begin(runs, images, "stopped", WAITS)
    key = wait(runs, "stopped", "Running")["idempotencyKey"]

    runs.kubectl("patch", "-n", NAMESPACE, "xrun", "stopped", "--type=merge",
                 "-p", json.dumps({"spec": {"cancel": True}}))  # fmt: skip

    wait(runs, "stopped", "Cancelled")
    assert key not in {one["metadata"]["name"] for one in runs.items("jobs", "-n", NAMESPACE)}


def flow(images: Images) -> list[dict[str, Any]]:
    """A pipeline whose messages become Jobs."""
    template = {
        "volumes": [{"name": "code", "configMap": {"name": "code"}}],
        "volumeMounts": [{"name": "code", "mountPath": "/code", "readOnly": True}],
    }
    head = {"apiVersion": "interact.science/v1alpha1"}
    own = {"image": images.name("image-display"), "template": template}
    job = {"image": own["image"], "command": ["python", "-c", SUMS]}
    specs: dict[str, dict[str, Any]] = {
        "gives": {**own, "command": ["python", "-m", "interact", "/code/gives.py"], "outputs": [VALUES]},
        "sums": {"image": own["image"], "inputs": [PART], "outputs": [VALUES],
                 "execution": {"mode": "external", "driver": "kubernetes-job",
                               "kubernetesJob": job}},
        "keeps": {**own, "command": ["python", "-m", "interact", "/code/keeps.py"],
                  "inputs": [PART]},
    }  # fmt: skip
    placed = [{"name": name, "operatorRef": {"name": name}} for name in specs]
    edges = [{"from": "gives.out", "to": "sums.part"}, {"from": "sums.out", "to": "keeps.part"}]
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"},
         "data": {"gives.py": GIVES, "keeps.py": KEEPS}},
        *({**head, "kind": "InteractOperator", "metadata": {"name": name}, "spec": spec}
          for name, spec in specs.items()),
        {**head, "kind": "Pipeline", "metadata": {"name": "flow"},
         "spec": {"operators": placed, "edges": edges}},
    ]  # fmt: skip


def test_messages_of_a_pipeline_become_jobs_that_read_their_arrays(runs: Cluster, images: Images):
    runs.apply(yaml.safe_dump_all(flow(images)), NAMESPACE)

    runs.kubectl("wait", "-n", NAMESPACE, "--for=condition=Completed", "pipeline/flow",
                 "--timeout=180s", seconds=200)  # fmt: skip

    label = "interact.science/pipeline=flow"
    made = runs.items("xrun", "-n", NAMESPACE, "-l", label)
    status = runs.get("pipeline", "flow", "-n", NAMESPACE)["status"]
    totals = [sum(range(start, start + 3000)) for start in (0, 3000)]
    assert sorted(one["status"]["results"]["total"] for one in made) == totals
    assert status["externalRuns"] == {"COMPLETED": 2}
    assert status["deadLetters"] == 0, "the sink took the sums"
    runs.kubectl("delete", "-n", NAMESPACE, "pipeline", "flow", "--timeout=60s")
    eventually(lambda: not runs.items("xrun", "-n", NAMESPACE, "-l", label), "its runs go with it")


def test_what_a_run_began_goes_with_it(runs: Cluster, images: Images):
    runs.kubectl("delete", "-n", NAMESPACE, "xrun", "--all", "--timeout=60s")

    eventually(lambda: not runs.items("jobs", "-n", NAMESPACE), "no Jobs are left", within=120)
    pods = ("pods", "-n", NAMESPACE, "-l", "batch.kubernetes.io/job-name")
    eventually(lambda: not runs.items(*pods), "no pods of Jobs are left", within=120)
