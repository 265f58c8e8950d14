"""Real Slurm, over SSH and by slurmrestd: what the drivers begin is counted on Slurm's side."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from external.drivers.awaiting import until
from external.drivers.slurm_cluster import SlurmCluster
from interact_api.external import Handle, Input, Observation, Run, State
from interact_api.names import inputs_bucket
from interact_controller.external.driver import Driver, ExternalError, Refused
from interact_controller.external.drivers.slurm_rest import SlurmRestDriver
from interact_controller.external.drivers.slurm_ssh import SlurmSshDriver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
USER = "nobody"
ENDED = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST}
Make = Callable[[], Driver]


@pytest.fixture(params=["ssh", "rest"])
def make(request: pytest.FixtureRequest, slurm: SlurmCluster) -> Make:
    """Makes drivers that know nothing of each other."""
    if request.param == "ssh":
        return lambda: SlurmSshDriver(slurm.system, {"ssh-privatekey": slurm.private_key})
    key = (slurm.folder / "jwt.key").read_text()
    return lambda: SlurmRestDriver(slurm.rest(USER), {"jwt-key": key})


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[..., Run]:
    """Makes runs whose keys no other test has."""

    def made(script: str, attempt: int = 1, **spec: Any) -> Run:
        return Run(namespace="lab", name="one", uid=request.node.name, attempt=attempt,
                   parameters={"gain": 2.5}, spec={"script": script, **spec})  # fmt: skip

    return made


async def begun(driver: Driver, one: Run) -> Handle:
    return await driver.submit(one, await driver.prepare(one))


async def seen(driver: Driver, handle: Handle, *states: State) -> Observation:
    async def look() -> Observation | None:
        found = await driver.check(handle)
        assert found.state in states or found.state not in ENDED, found
        return found if found.state in states else None

    found = await until(look)
    assert found is not None
    return found


async def test_a_job_is_done_once_and_gives_its_results(make: Make, run: Any, slurm: SlurmCluster):
    one = run("cp parameters.json results.json")

    assert await make().lookup(one) is None
    handle = await begun(make(), one)
    assert await make().lookup(one) == handle
    await seen(make(), handle, State.SUCCEEDED)

    assert (await make().collect(handle)).results == {"gain": 2.5}
    assert slurm.numbers(one.key) == [handle.external_id]
    assert await make().cancel(handle)
    assert (await make().check(handle)).state is State.SUCCEEDED


async def test_of_two_jobs_with_one_key_one_works(make: Make, run: Any, slurm: SlurmCluster):
    mark = slurm.jobs / f"mark-{time.monotonic_ns()}"
    one = run(f"echo $SLURM_JOB_ID >> {mark}")

    first, second = await begun(make(), one), await begun(make(), one)
    for handle in (first, second):
        await seen(make(), handle, State.SUCCEEDED)

    assert len(slurm.numbers(one.key)) == 2
    [worker] = mark.read_text().split()
    found = await make().lookup(one)
    assert found is not None
    assert found.external_id == worker


async def test_a_script_that_fails_is_told_with_its_exit_code(make: Make, run: Any):
    handle = await begun(make(), run("echo no beam; exit 7"))

    found = await seen(make(), handle, State.FAILED)

    assert found.reason == "NonZeroExit"
    assert found.detail["exitCode"] == 7


async def test_a_job_is_cancelled_running_and_waiting(make: Make, run: Any, slurm: SlurmCluster):
    handle = await begun(make(), run("sleep 300"))
    held = await begun(make(), run("true", attempt=2, constraint=None, tasks=1))
    await seen(make(), handle, State.RUNNING)

    for one in (handle, held):
        await until(lambda one=one: make().cancel(one))

    assert (await make().check(handle)).state is State.CANCELLED
    assert slurm.ask("squeue", "-h", "--states=R,PD,CG", "--format=%i") == ""


async def test_held_suspended_and_requeued_jobs_are_told(make: Make, run: Any, slurm: SlurmCluster):
    one = run("sleep 300", requeue=True)
    handle = await begun(make(), one)
    await seen(make(), handle, State.RUNNING)

    slurm.ask("scontrol", "suspend", handle.external_id)
    await seen(make(), handle, State.WAITING)
    slurm.ask("scontrol", "resume", handle.external_id)
    await seen(make(), handle, State.RUNNING)
    slurm.ask("scontrol", "requeue", handle.external_id)
    again = await seen(make(), handle, State.REQUEUED)
    slurm.ask("scontrol", "hold", handle.external_id)
    held = await seen(make(), handle, State.WAITING)
    await until(lambda: make().cancel(handle))

    assert again.reason == "Requeued"
    assert held.reason == "Held"


async def test_what_slurm_will_never_take_is_refused(make: Make, run: Any, slurm: SlurmCluster):
    one = run("true", partition="none")

    with pytest.raises(Refused, match="Invalid partition name"):
        await begun(make(), one)

    assert slurm.numbers(one.key) == []


async def test_a_job_slurm_never_had_is_lost(make: Make, run: Any):
    one = run("true")
    handle = (await make().prepare(one)).submitted("999999")

    assert (await make().check(handle)).state is State.LOST
    assert await make().cancel(handle)


async def test_wrong_credentials_take_no_job_and_are_never_told(slurm: SlurmCluster, run: Any):
    public = slurm.system.model_dump_json()
    stranger = SlurmSshDriver(
        type(slurm.system).model_validate_json(public),
        {"ssh-privatekey": (slurm.folder / "host").read_text()},
    )
    forged = SlurmRestDriver(slurm.rest(USER), {"token": "a.b.c"})

    for driver in (stranger, forged):
        one = run("true")
        with pytest.raises(ExternalError) as refused:
            await begun(driver, one)
        assert "PRIVATE" not in str(refused.value)
        assert "a.b.c" not in str(refused.value)
        assert slurm.numbers(one.key) == []


async def test_a_host_with_another_key_is_not_spoken_to(slurm: SlurmCluster, run: Any):
    login = slurm.system.ssh
    assert login is not None
    public = (slurm.folder / "client.pub").read_text().split()[1]
    other = login.model_copy(
        update={"known_hosts": f"[{login.host}]:{login.port} ssh-ed25519 {public}"}
    )
    driver = SlurmSshDriver(
        slurm.system.model_copy(update={"ssh": other}), {"ssh-privatekey": slurm.private_key}
    )

    with pytest.raises(ExternalError, match="ost key verification failed"):
        await begun(driver, run("true"))


async def test_files_of_a_job_are_hashed_where_they_lie(slurm: SlurmCluster, run: Any):
    driver = SlurmSshDriver(slurm.system, {"ssh-privatekey": slurm.private_key})
    one = run("cp parameters.json out.json", artifacts=["out.json"])
    handle = await begun(driver, one)
    await seen(driver, handle, State.SUCCEEDED)

    [artifact] = (await driver.collect(handle)).artifacts

    path = slurm.jobs / one.key / "out.json"
    assert json.loads(path.read_text()) == {"gain": 2.5}
    assert artifact.bytes == path.stat().st_size


async def test_inputs_reach_the_job(slurm: SlurmCluster, run: Any):
    data = bytes(range(256)) * 1000
    sha256 = hashlib.sha256(data).hexdigest()
    former = slurm.jobs / "former.npy"
    former.write_bytes(data)

    async def read(bucket: str, name: str, most: int) -> bytes:
        return data

    key = (slurm.folder / "jwt.key").read_text()
    drivers: list[Driver] = [
        SlurmSshDriver(slurm.system, {"ssh-privatekey": slurm.private_key}, read),
        SlurmRestDriver(slurm.rest(USER), {"jwt-key": key}, read=read),
    ]
    former.chmod(0o644)
    for attempt, driver in enumerate(drivers, 1):
        one = run(
            "sha256sum inputs/* | cut -c -64 | uniq | sed 's/.*/\"&\"/' > results.json", attempt
        )
        one = one.model_copy(update={"inputs": (
            Input(name="a", object=f"{inputs_bucket('lab')}/a", sha256=sha256),
            Input(name="b", path=former.name, sha256=sha256),
        )})  # fmt: skip
        handle = await begun(driver, one)
        await seen(driver, handle, State.SUCCEEDED)

        assert (await driver.collect(handle)).results == {"value": sha256}

    former.write_bytes(b"other")
    wrong = one.model_copy(update={"attempt": 3})
    found = await seen(drivers[0], await begun(drivers[0], wrong), State.FAILED)
    assert "input b is not there, or its SHA-256 is another" in found.message


@pytest.fixture
def forgetful(slurm: SlurmCluster) -> Iterator[None]:
    """Slurm forgets what has ended at once."""
    conf = Path(slurm.conf)
    kept = conf.read_text()
    conf.write_text(kept.replace("MinJobAge=300", "MinJobAge=2"))
    slurm.ask("scontrol", "reconfigure")
    yield
    conf.write_text(kept)
    slurm.ask("scontrol", "reconfigure")


@pytest.mark.usefixtures("forgetful")
async def test_a_job_that_slurm_forgot_is_told_by_its_file_or_lost(slurm: SlurmCluster, run: Any):
    driver = SlurmSshDriver(slurm.system, {"ssh-privatekey": slurm.private_key})
    one = run("echo '{\"peak\": 4}' > results.json")
    handle = await begun(driver, one)

    async def gone() -> bool:
        return await asyncio.to_thread(slurm.numbers, one.key) == []

    await until(gone)

    found = await driver.check(handle)
    assert (found.state, "its own file" in found.message) == (State.SUCCEEDED, True)
    assert (await driver.collect(handle)).results == {"peak": 4}
    assert await driver.lookup(one) == handle  # adopted, not begun again
    rest = SlurmRestDriver(slurm.rest(USER), {"jwt-key": (slurm.folder / "jwt.key").read_text()})
    assert (await rest.check(handle)).state is State.LOST
