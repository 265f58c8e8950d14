"""The controller ended at each step while real Slurm has the work: one job over there, its results."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.plane import Plane
from external.drivers.awaiting import until
from external.drivers.slurm_cluster import SlurmCluster
from external.rig import Rig
from interact_api.external import Handle, Observation, State
from interact_controller.external import failpoints
from interact_controller.external.drivers.slurm_rest import SlurmRestDriver
from interact_controller.external.drivers.slurm_ssh import SlurmSshDriver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
POINTS = [one for one in failpoints.POINTS if one != failpoints.CANCELLED]
USER = "nobody"
RELEASE = "slurm-release"
NAMESPACE = "slurm-runs"
ENDED = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST}
_NUMBERS = itertools.count(1)


class PatientSsh(SlurmSshDriver):
    """A look at a job takes until it has ended: the rig's clock is not Slurm's."""

    async def check(self, handle: Handle) -> Observation:
        async def ended() -> Observation | None:
            found = await super(PatientSsh, self).check(handle)
            return found if found.state in ENDED else None

        return await until(ended) or await super().check(handle)


class PatientRest(SlurmRestDriver):
    """The same by slurmrestd."""

    async def check(self, handle: Handle) -> Observation:
        async def ended() -> Observation | None:
            found = await super(PatientRest, self).check(handle)
            return found if found.state in ENDED else None

        return await until(ended) or await super().check(handle)


@pytest.fixture(scope="module")
def places(plane: Plane) -> Iterator[None]:
    """A namespace of runs, and one of the release."""
    asked = plane.kube()
    for name in (NAMESPACE, RELEASE):
        asked.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield
    for name in (NAMESPACE, RELEASE):
        asked.delete("namespaces", name)


@pytest.fixture(params=["ssh", "rest"])
def rig(
    request: pytest.FixtureRequest, plane: Plane, places: None, slurm: SlurmCluster
) -> Iterator[Rig]:
    """Runs on Slurm by one of its two doors, whose credentials lie in a Secret of the release."""
    ssh = request.param == "ssh"
    key = (slurm.folder / "jwt.key").read_text()
    said = slurm.system if ssh else slurm.rest(USER)
    made = Rig(plane, plane.kube(NAMESPACE), RELEASE, {}, f"slurm-{next(_NUMBERS)}")
    made.makers = {"slurm": lambda spec, credentials: (
        PatientSsh(spec.slurm, credentials) if ssh else PatientRest(spec.slurm, credentials)
    )}  # fmt: skip
    plane.kube(RELEASE).apply({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": request.param},
        "stringData": {"ssh-privatekey": slurm.private_key} if ssh else {"jwt-key": key},
    })  # fmt: skip
    made.kube.apply({
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem",
        "metadata": {"name": made.desk},
        "spec": {"driver": "slurm", "slurm": said.to_object(), "secret": request.param,
                 "namespaces": [NAMESPACE]},
    })  # fmt: skip
    yield made
    made.clear()


def begin(rig: Rig, slurm: SlurmCluster, name: str) -> str:
    """A run whose job says that it worked."""
    script = f"echo $SLURM_JOB_ID >> {slurm.jobs}/worked-{name}; cp parameters.json results.json"
    return rig.create(
        name, "slurm", system=rig.desk, slurm={"script": script},
        parameters=[{"name": "gain", "value": 2.5}],
    )  # fmt: skip


async def ended_at(rig: Rig, name: str, point: str) -> None:
    """Look at a run until it ends, and break off at a point."""
    async with rig.controller(failpoints.once(point, failpoints.broken)) as controller:
        with pytest.raises(failpoints.Broken):
            await controller.until_ended(name)


async def test_ended_at_any_step_slurm_has_one_job_and_its_results_are_taken(
    rig: Rig, slurm: SlurmCluster
):
    for point in POINTS:
        name = begin(rig, slurm, f"{point}-{rig.installation}")

        await ended_at(rig, name, point)
        async with rig.controller() as controller:
            status: dict[str, Any] = await controller.until_ended(name)

        assert (status["phase"], status["results"]) == ("COMPLETED", {"gain": 2.5}), point
        assert len(status["attempts"]) == 1, point
        assert slurm.numbers(status["idempotencyKey"]) == [status["externalId"]], point
        worked = (slurm.jobs / f"worked-{name}").read_text().split()
        assert worked == [status["externalId"]], point
        assert rig.claims() == [], point


@pytest.mark.parametrize("point", [failpoints.CANCELLED, failpoints.FINISHED])
async def test_ended_while_a_job_is_cancelled_it_is_cancelled_and_no_other_begun(
    rig: Rig, slurm: SlurmCluster, point: str
):
    name = rig.create(
        f"{point}-stopped-{rig.installation}", "slurm", system=rig.desk,
        slurm={"script": "sleep 300"},
    )  # fmt: skip
    await ended_at(rig, name, failpoints.NOTED)
    rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})

    await ended_at(rig, name, point)
    async with rig.controller() as controller:
        status = await controller.until_ended(name)

    assert status["phase"] == "CANCELLED"
    assert slurm.numbers(status["idempotencyKey"]) == [status["externalId"]]

    async def stopped() -> bool:
        told = slurm.ask("squeue", "-h", "--states=all", f"--jobs={status['externalId']}", "-o%T")
        return told == "CANCELLED"

    await until(stopped)
    assert rig.claims() == []


async def test_a_run_deleted_while_nobody_looked_leaves_no_job(rig: Rig, slurm: SlurmCluster):
    name = rig.create(
        f"deleted-{rig.installation}", "slurm", system=rig.desk, slurm={"script": "sleep 300"}
    )
    await ended_at(rig, name, failpoints.SUBMITTED)  # nobody here has its id
    [claim] = rig.claims()
    key = claim["data"]["key"]
    [number] = slurm.numbers(key)
    rig.kube.delete("externalruns", name)

    async with rig.controller() as controller:
        await controller.until_rest()

    assert rig.claims() == []
    assert slurm.ask("squeue", "-h", "--states=PD,R", f"--jobs={number}", "-o%i") == ""
    assert slurm.numbers(key) == [number]
