"""What a run reads reaches its work: objects of its namespace, as the run says they are, and files."""

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cluster.kube import Kube
from external.drivers.rest_service import Service
from external.drivers.rest_service import system as rest_system
from interact_api import names
from interact_api.external import Run
from interact_api.external_slurm import SlurmJob, SlurmRest, SlurmSsh, SlurmSystem
from interact_controller import jetstream
from interact_controller.errors import BrokerUnreachable
from interact_controller.external.driver import Driver, ExternalError, Refused
from interact_controller.external.drivers import inputs, job, slurm_rest, slurm_scripts, stored
from interact_controller.external.drivers.http import HttpDriver
from interact_controller.external.drivers.job import JobDriver
from interact_controller.external.drivers.objects import Requests
from interact_controller.external.drivers.slurm_rest import SlurmRestDriver
from interact_controller.external.drivers.slurm_ssh import SlurmSshDriver

BUCKET = names.inputs_bucket("lab")
DATA = bytes(range(256)) * 3
SHA256 = hashlib.sha256(DATA).hexdigest()
LOGIN = SlurmSystem(
    ssh=SlurmSsh(host="login", user="beam", known_hosts="login ssh-ed25519 AAAA", folder="runs")
)
REST = SlurmSystem(rest=SlurmRest(url="http://127.0.0.1:1", user="beam", folder="/runs"))


def run(*given: dict[str, Any], **changes: Any) -> Run:
    said = {"namespace": "lab", "name": "one", "uid": "u", "attempt": 1, "inputs": given,
            "spec": {"script": "cat inputs/* >/dev/null"}, **changes}  # fmt: skip
    return Run.model_validate(said)


def scan(**changes: Any) -> dict[str, Any]:
    return {"name": "scan.raw", "object": f"{BUCKET}/scan", "sha256": SHA256, **changes}


def held(data: bytes = DATA) -> stored.Read:
    """An object store in which everything is the same."""

    async def read(bucket: str, name: str, most: int) -> bytes:
        return data

    return read


@pytest.mark.nats
async def test_objects_are_read_whole_or_not_at_all(broker: jetstream.JetStream):
    bucket = await broker.client.jetstream().create_object_store(BUCKET)
    large = DATA * 1000
    read = stored.reader(broker.ask)
    for name, data in {"scan": DATA, "large": large, "nothing": b"", "torn": large}.items():
        await bucket.put(name, data)

    assert await read(BUCKET, "scan", len(DATA)) == DATA
    assert await read(BUCKET, "large", len(large)) == large
    assert await read(BUCKET, "nothing", 0) == b""
    with pytest.raises(Refused, match=r"768 bytes in 1 pieces; at most 767"):
        await read(BUCKET, "scan", len(DATA) - 1)
    for where, name in [(BUCKET, "none"), ("none", "scan")]:
        with pytest.raises(Refused, match="there is no object"):
            await read(where, name, 9)
    nuid = (await bucket.get_info("torn")).nuid
    await broker.client.jetstream().purge_stream(
        f"OBJ_{BUCKET}", subject=f"$O.{BUCKET}.C.{nuid}", keep=1
    )
    with pytest.raises(ExternalError, match="is not whole"):
        await read(BUCKET, "torn", len(large))
    await bucket.delete("scan")
    with pytest.raises(Refused, match="there is no object"):
        await read(BUCKET, "scan", len(DATA))


@pytest.mark.nats
async def test_where_nats_is_away_objects_are_read_later(broker: jetstream.JetStream):
    async def ask(subject: str, payload: bytes, seconds: float) -> bytes | None:
        raise BrokerUnreachable("nobody is there")

    async def silent(subject: str, payload: bytes, seconds: float) -> bytes | None:
        return None

    for way in (ask, silent):
        with pytest.raises(ExternalError) as trouble:
            await stored.reader(way)(BUCKET, "scan", 9)
        assert not isinstance(trouble.value, Refused)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (scan(object=f"{names.inputs_bucket('other')}/scan"), "no object of this namespace"),
        (scan(object=f"{names.messages_bucket('other', 'a')}/a/b"), "no object of this namespace"),
        (scan(object=f"{names.messages_bucket('lab', 'a')}/b/c"), "no object of this namespace"),
        (scan(object="scan"), "no object of this namespace"),
        (scan(object=f"{BUCKET}/"), "no object of this namespace"),
        (scan(bytes=5 * 2**20), "5,242,880 bytes, at most"),
    ],
)
async def test_inputs_that_cannot_reach_the_work_are_told_before_anything_is_asked(
    given: dict[str, Any], said: str, api: Requests
):
    drivers: list[Driver] = [
        SlurmSshDriver(LOGIN, {}, held()), SlurmRestDriver(REST, {}, read=held()),
    ]  # fmt: skip
    for driver in drivers:
        [problem] = await driver.validate(run(given))
        assert said in problem.message
        with pytest.raises(Refused, match=said):
            await driver.submit(run(given), await driver.prepare(run(given)))
    [problem] = await JobDriver(api, read=held()).validate(run(given, spec={"image": "i"}))
    assert said in problem.message


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"bytes": 7}])
async def test_an_object_that_is_not_what_the_run_says_is_refused(wrong: dict[str, Any]):
    with pytest.raises(Refused, match="which is not what the run says"):
        await inputs.contents(run(scan(**wrong)), held(), 1000)


async def test_objects_share_one_bound():
    left: list[int] = []

    async def read(bucket: str, name: str, most: int) -> bytes:
        left.append(most)
        return DATA

    await inputs.contents(run(scan(), scan(name="again")), read, 2000)

    assert left == [2000, 2000 - len(DATA)]


def shell(home: Path, script: str, where: str = ".") -> subprocess.CompletedProcess[str]:
    """Run as a login node, or a job, would."""
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / "sbatch").write_text("#!/bin/sh\necho 42\n")
    (home / "bin" / "sbatch").chmod(0o700)
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-s"], input=script, text=True, capture_output=True, cwd=home / where,
        env={"PATH": path, "HOME": str(home), "SLURM_JOB_ID": "42"}, timeout=30, check=False,
    )  # fmt: skip


async def submitted(home: Path, one: Run, data: bytes = DATA) -> Path:
    """Do on a login node what a submit says; the job's folder."""
    contents = await inputs.contents(one, held(data), 2**20)
    said = slurm_scripts.submit(
        one, SlurmJob(script="cat inputs/* >/dev/null"), LOGIN, "{}", contents
    )
    done = shell(home, said)
    assert done.returncode == 0, done.stderr
    return home / "runs" / one.key


async def test_a_job_of_slurm_finds_its_inputs_in_its_folder(tmp_path: Path):
    former = tmp_path / "runs" / "xrun-0-1"
    former.mkdir(parents=True)
    (former / "sum it's.npy").write_bytes(DATA)
    path = {"name": "sum", "path": "xrun-0-1/sum it's.npy", "sha256": SHA256}

    folder = await submitted(tmp_path, run(scan(), path))

    assert {one.name: one.read_bytes() for one in (folder / "inputs").iterdir()} == {
        "scan.raw": DATA, "sum": DATA,
    }  # fmt: skip
    assert json.loads((folder / "inputs.json").read_text()) == [scan(), path]
    assert shell(tmp_path, "./job.sh", f"runs/{folder.name}").returncode == 0
    (former / "sum it's.npy").write_bytes(b"other")
    again = shell(tmp_path, "./job.sh", f"runs/{folder.name}")
    assert (again.returncode, (folder / "exit").read_text()) == (slurm_scripts.WRONG_INPUT, "76\n")
    assert "input sum is not there" in again.stderr


async def test_an_input_damaged_on_its_way_hands_no_job_over(tmp_path: Path):
    contents = await inputs.contents(run(scan()), held(), 2**20)
    said = slurm_scripts.submit(run(scan()), SlurmJob(script="true"), LOGIN, "{}", contents)
    packed = base64.b64encode(DATA).decode()

    done = shell(tmp_path, said.replace(packed, f"BBBB{packed[4:]}"))

    assert packed in said
    assert done.returncode != 0
    assert "42" not in done.stdout


async def test_slurmrestd_is_given_inputs_within_the_script(tmp_path: Path):
    contents = await inputs.contents(run(scan()), held(), slurm_rest.MAX_INPUT_BYTES)
    told = slurm_rest.description(
        run(scan()), SlurmJob(script="cat inputs/scan.raw > got"), REST, "/runs", 44, contents
    )

    done = shell(tmp_path, str(told["script"]))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / run().key / "got").read_bytes() == DATA


async def test_a_service_is_told_of_inputs_where_its_template_says_so():
    async with Service().serving() as service:
        declared: dict[str, Any] = rest_system(service.url).to_object()
        declared["submit"]["body"] = {"key": "{key}", "all": "{inputs}", "file": "at {inputs.scan}"}
        driver = HttpDriver(rest_system(service.url, submit=declared["submit"]), {})
        one = run({"name": "scan", "path": "a/b.h5", "bytes": 7})

        await driver.submit(one, await driver.prepare(one))

        [made] = service.jobs.values()
        assert made["all"] == [{"name": "scan", "path": "a/b.h5", "bytes": 7}]
        assert made["file"] == "at a/b.h5"
        [problem] = await driver.validate(run({"name": "other", "path": "x"}))
        assert problem.path == "inputs.scan"


async def test_a_container_finds_objects_mounted_and_all_of_them_listed(
    api: Requests, kube: Kube, there: Callable[..., Run]
):
    bucket = names.inputs_bucket(kube.namespace)
    one = there(
        "kubernetes-job", "kubernetesJob", {"image": "example/none:1"},
        inputs=[scan(object=f"{bucket}/scan"), {"name": "file", "path": "a/b"}],
    )  # fmt: skip
    driver = JobDriver(api, read=held())

    handle = await driver.submit(one, await driver.prepare(one))

    assert await driver.submit(one, handle) == handle
    found = kube.get("configmaps", f"{one.key}-inputs")
    assert base64.b64decode(found["binaryData"]["scan.raw"]) == DATA
    assert (found["immutable"], found["metadata"]["ownerReferences"][0]["uid"]) == (True, one.uid)
    spec = kube.get("jobs", one.key)["spec"]["template"]["spec"]
    [container] = spec["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}["INTERACT_INPUTS"]
    assert json.loads(told)[1] == {"name": "file", "path": "a/b"}
    assert job.INPUTS_FOLDER in {each["mountPath"] for each in container["volumeMounts"]}
    assert {"name": f"{one.key}-inputs"}.items() <= spec["volumes"][0]["configMap"].items()


async def test_a_configmap_of_somebody_else_is_not_mounted(
    api: Requests, kube: Kube, there: Callable[..., Run]
):
    one = there("kubernetes-job", "kubernetesJob", {"image": "example/none:1"}, name="squatted",
                inputs=[scan(object=f"{names.inputs_bucket(kube.namespace)}/scan")])  # fmt: skip
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "data": {"scan.raw": "forged"},
                 "metadata": {"name": f"{one.key}-inputs"}})  # fmt: skip
    driver = JobDriver(api, read=held())

    with pytest.raises(Refused, match="that is not ours"):
        await driver.submit(one, await driver.prepare(one))

    assert one.key not in {each["metadata"]["name"] for each in kube.list("jobs")}
