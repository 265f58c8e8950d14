"""What is said to a login node, run by a real shell, and how answers of Slurm are read."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from interact_api.external import Run
from interact_api.external_slurm import SlurmJob, SlurmRest, SlurmSsh, SlurmSystem
from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers import slurm_api, slurm_rest, slurm_scripts, slurm_ssh
from interact_controller.external.drivers.fetching import Answer, Unsent
from interact_controller.external.drivers.slurm_rest import SlurmRestDriver
from interact_controller.external.drivers.slurm_ssh import SlurmSshDriver
from interact_controller.external.drivers.slurm_states import Job

NASTY = 'it\'s "so"\n$(touch broken) `touch broken` \\n ; touch broken & é {braces} %s'


def system(folder: str = "runs", **changes: Any) -> SlurmSystem:
    login = SlurmSsh(host="login", user="beam", known_hosts="login ssh-ed25519 AAAA", folder=folder)
    return SlurmSystem(ssh=login, **changes)


def run(**spec: Any) -> Run:
    return Run(namespace="lab", name="one", uid="u", attempt=1, parameters={"nasty": NASTY},
               spec={"script": "true", **spec}, created=datetime(2026, 3, 4, tzinfo=UTC))  # fmt: skip


class Login:
    """A login node: a home, and programs that stand for Slurm's, each a line of shell."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "bin").mkdir()
        self.has("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")

    def has(self, name: str, line: str) -> None:
        path = self.home / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o700)

    def say(self, script: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.home / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh", "-s"], input=script, text=True, capture_output=True, cwd=self.home,
            env={"PATH": path, "HOME": str(self.home)}, timeout=30, check=False,
        )  # fmt: skip

    def lines(self, script: str) -> list[tuple[str, str]]:
        done = self.say(script)
        found = slurm_scripts.answer(done.stdout)
        assert done.returncode == 0, done.stderr
        assert found is not None
        return found

    def work(self, number: str) -> int:
        """Run the job as Slurm would."""
        done = subprocess.run(
            ["./job.sh"], cwd=self.folder, env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": number},
            capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        (self.folder / "output.txt").write_bytes(done.stdout + done.stderr)
        return done.returncode

    @property
    def folder(self) -> Path:
        return self.home / "runs" / run().key


@pytest.fixture
def login(tmp_path: Path) -> Login:
    made = Login(tmp_path)
    made.has("sbatch", 'echo "$@" > "$HOME/asked"; echo "42;cluster"')
    return made


def submit(login: Login, **spec: Any) -> None:
    job = SlurmJob.model_validate(run(**spec).spec)
    script = slurm_scripts.submit(run(), job, system(), json.dumps(run().parameters))
    assert login.lines(script)[-1] == ("42;cluster", "")


def test_a_job_is_handed_over_with_its_script_and_parameters_as_they_are(login: Login):
    submit(login, script=NASTY, partition="gpu", timeLimitMinutes=5, memoryMegabytes=100)

    assert (login.folder / "script").read_text() == f"#!/bin/sh\n{NASTY}"
    assert json.loads((login.folder / "parameters.json").read_text()) == {"nasty": NASTY}
    asked = (login.home / "asked").read_text().split()
    assert asked == ["--parsable", f"--job-name={run().key}", f"--comment={run().key}",
                     "--output=output.txt", "--export=ALL", "--no-requeue", "--partition=gpu",
                     "--time=5", "--mem=100M", "job.sh"]  # fmt: skip
    assert not list(login.home.rglob("broken"))


def test_half_a_script_does_nothing(login: Login):
    whole = slurm_scripts.submit(run(), SlurmJob(script="true"), system(), "{}")

    for part in (len(whole) // 3, len(whole) - 3):
        assert login.say(whole[:part]).returncode != 0

    assert not (login.home / "runs").exists()
    assert not (login.home / "asked").exists()


@pytest.mark.parametrize("step", ["mkdir", "chmod", "mv"])
def test_a_step_that_fails_hands_no_job_over(login: Login, step: str):
    login.has(step, "echo 'Disk quota exceeded' >&2; exit 1")

    done = login.say(slurm_scripts.submit(run(), SlurmJob(script="true"), system(), "{}"))

    assert done.returncode == 1
    assert not (login.home / "asked").exists()


def test_the_first_job_of_a_key_takes_it_also_when_slurm_begins_it_again(login: Login):
    submit(login, script="echo once >> log")

    codes = [login.work("42"), login.work("43"), login.work("42")]

    assert codes == [0, slurm_scripts.TAKEN, 0]
    assert (login.folder / "log").read_text() == "once\nonce\n"
    assert (login.folder / "exit").read_text() == "0\n"


def test_a_lookup_puts_the_job_that_took_the_key_first(login: Login):
    login.has("squeue", 'echo "job 40"; echo "job 7"')
    script = slurm_scripts.lookup(run().key, system(), run().created)

    assert list(slurm_scripts.jobs(login.lines(script))) == ["7", "40"]
    submit(login)
    login.work("40")
    assert next(slurm_scripts.jobs(login.lines(script))) == "40"
    login.has("squeue", "exit 1")
    assert login.say(script).returncode == 1
    assert "--starttime=2026-03-04" in script


def test_a_job_is_followed_to_the_one_that_took_its_key(login: Login):
    submit(login)
    login.work("42")
    login.has(
        "scontrol", 'echo "JobId=$4 JobName=k JobState=RUNNING Reason=None Restarts=0 ExitCode=0:0"'
    )

    lines = dict(login.lines(slurm_scripts.check(run().key, "43", system())))

    assert lines["scontrol"].startswith("JobId=42 ")


@pytest.mark.parametrize("code", [0, 7])
def test_an_end_slurm_forgot_is_told_by_its_file(login: Login, code: int):
    submit(login, script=f"echo last words; exit {code}")
    login.work("42")
    login.has("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")

    lines = dict(login.lines(slurm_scripts.check(run().key, "42", system())))

    assert lines["unknown"] == "slurm_load_jobs error: Invalid job id specified"
    assert slurm_scripts.accounted(lines["sacct"]) is None
    told = slurm_scripts.left(lines["exit"])
    assert told is not None
    assert told.exit_code == code
    assert slurm_scripts.text(lines["output"], 1000) == b"last words\n"
    login.has("sacct", "echo 'OUT_OF_MEMORY|0:125'")
    lines = dict(login.lines(slurm_scripts.check(run().key, "42", system())))
    assert slurm_scripts.accounted(lines["sacct"]) == Job(("OUT_OF_MEMORY",), "", 0, 125)


def test_results_and_files_are_collected_with_their_hashes(login: Login):
    submit(login, script='echo "{\\"peak\\": 3}" > results.json; echo é > "a b"; ln -s a\\ b link')
    login.work("42")

    lines = login.lines(slurm_scripts.collect(run().key, ("a b",), system()))
    found = slurm_ssh.collected(lines, ("a b",))

    assert found.results == {"peak": 3}
    [one] = found.artifacts
    assert (one.name, one.path, one.bytes) == ("0_a-b", "a b", 3)
    assert one.sha256 == hashlib.sha256("é\n".encode()).hexdigest()
    with pytest.raises(Refused, match="left no file 'link'"):
        slurm_ssh.collected(
            login.lines(slurm_scripts.collect(run().key, ("link",), system())), ("link",)
        )
    (login.folder / "exit").unlink()
    with pytest.raises(ExternalError, match="does not show its end yet"):
        slurm_ssh.collected(
            login.lines(slurm_scripts.collect(run().key, ("none",), system())), ("none",)
        )


@pytest.mark.parametrize(
    ("written", "said"),
    [(b"x" * 70_000, "more than 65,536 bytes"), (b"{", "no JSON"), (b"[" * 9000, "deeper")],
)
def test_results_nobody_can_read_are_refused(login: Login, written: bytes, said: str):
    submit(login)
    (login.folder / "results.json").write_bytes(written)

    lines = login.lines(slurm_scripts.collect(run().key, (), system()))

    with pytest.raises(Refused, match=said):
        slurm_ssh.collected(lines, ())


SHOWN = (
    "JobId=7 JobName=xrun-1 UserId=beam(1000) Priority=1 Account=(null) QOS=normal "
    "JobState=PENDING Reason=launch failed requeued held Dependency=(null) Requeue=1 Restarts=2 "
    "BatchFlag=1 Reboot=0 ExitCode=0:0 Command=/home/beam/JobState=COMPLETED Comment=JobState=FAILED "
)


def test_a_job_is_read_from_what_scontrol_prints():
    assert slurm_scripts.shown(SHOWN) == Job(
        ("PENDING",), "launch failed requeued held", exit_code=0, signal=0, restarts=2
    )
    assert slurm_scripts.shown("rubbish") is None
    assert slurm_scripts.accounted("RUNNING|0:0\nCANCELLED by 0|0:15") == Job(
        ("CANCELLED",), "", 0, 15
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", Refused),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", Refused),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", ExternalError),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Ambiguous),
        ("sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received", Ambiguous),
        ("sh: 9: sbatch: not found", ExternalError),
        ("mkdir: cannot create directory: Disk quota exceeded", ExternalError),
    ],
)  # fmt: skip
def test_what_a_submit_that_fails_means(words: str, expected: type[Exception]):
    assert type(slurm_ssh.refusal(words)) is expected


async def test_a_login_node_that_is_away_took_no_job():
    away = system()
    assert away.ssh is not None
    login = away.ssh.model_copy(update={"host": "127.0.0.1", "port": 1, "timeout": "5s"})
    driver = SlurmSshDriver(SlurmSystem(ssh=login), {"ssh-privatekey": "none"})

    with pytest.raises(Unsent):
        await driver.submit(run(), await driver.prepare(run()))
    with pytest.raises(ExternalError, match="no key 'ssh-privatekey'"):
        await SlurmSshDriver(away, {}).lookup(run())


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "-oProxyCommand=x"), ("host", "a b"), ("user", "-l"), ("user", "a;b"),
     ("folder", "$(x)"), ("folder", "a b")],
)  # fmt: skip
def test_words_that_ssh_or_a_shell_would_read_are_refused(field: str, value: str):
    given = {"host": "login", "user": "beam", "knownHosts": "x", field: value}

    with pytest.raises(ValueError, match=field):
        SlurmSsh.model_validate(given)


async def test_a_job_that_cannot_be_is_told_before_anything_is_asked():
    driver = SlurmSshDriver(system(), {})

    [escape] = await driver.validate(run(artifacts=["../etc/passwd"]))
    [option] = await driver.validate(run(partition="a --uid=0"))

    assert "'..'" in escape.message
    assert option.path == "spec.partition"
    assert await driver.validate(run()) == []


OLD = {"job_id": 7, "name": "k", "job_state": "FAILED", "state_reason": "NonZeroExitCode",
       "exit_code": 7 << 8, "restart_cnt": 0}  # fmt: skip
NEW = {"job_id": 7, "name": "k", "job_state": ["FAILED"], "state_reason": "NonZeroExitCode",
       "exit_code": {"return_code": {"set": True, "infinite": False, "number": 7},
                     "signal": {"id": {"set": False, "infinite": False, "number": 0}, "name": ""}},
       "restart_cnt": 0}  # fmt: skip


def test_old_and_new_versions_of_slurmrestd_are_read_alike():
    assert slurm_api.job(OLD) == slurm_api.job(NEW) == Job(("FAILED",), "NonZeroExitCode", 7)
    accounted = {"state": {"current": ["CANCELLED"], "reason": "None"},
                 "exit_code": {"signal": {"id": 15}}}  # fmt: skip
    assert slurm_api.job(accounted) == Job(("CANCELLED",), "None", None, 15)
    assert slurm_api.job({"exit_code": 15}).signal == 15


def test_a_job_is_described_in_the_words_of_its_version():
    asked = SlurmJob(script="true", nodes=2, gpus_per_node=1, time_limit_minutes=3)

    old, new = (
        slurm_rest.description(run(), asked, system(), "/runs", version)["job"]
        for version in (38, 41)
    )

    assert (old["nodes"], old["gres"], old["environment"]) == ([2], "gpu:1", {"PATH": "/usr/local/bin:/usr/bin:/bin"})  # fmt: skip
    assert (new["nodes"], new["tres_per_node"], new["environment"]) == ("2", "gres/gpu:1", ["PATH=/usr/local/bin:/usr/bin:/bin"])  # fmt: skip
    assert old["name"] == old["comment"] == run().key
    assert old["time_limit"] == new["time_limit"] == 3


def test_a_token_is_signed_over_its_two_parts():
    claims = {"iat": 1, "exp": 301, "sun": "beam"}

    head, body, signature = slurm_api.signed(claims, "key").split(".")

    assert json.loads(unpacked(head)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(unpacked(body)) == claims
    expected = hmac.new(b"key", f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert unpacked(signature) == expected


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"errors": [{"error_code": 2000, "error": "Invalid partition name specified"}]}, Refused),
        (500, {"errors": [{"error_number": 1, "error": "Unable to contact slurm controller"}]}, ExternalError),
        (500, {"errors": [{"error_number": 5004, "error": "Socket timed out on send/recv"}]}, Ambiguous),
        (500, "out of cheese", Ambiguous),
        (401, "Authentication failure", ExternalError),
        (400, "unable to parse", Refused),
    ],
)  # fmt: skip
def test_what_a_submit_slurmrestd_refuses_means(status: int, body: Any, expected: type[Exception]):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    assert type(slurm_rest._not_submitted(Answer(status, data))) is expected


async def test_a_system_is_declared_for_one_way_and_files_need_ssh():
    rest = SlurmSystem(rest=SlurmRest(url="https://slurm.example", user="beam", folder="/runs"))

    [problem] = await SlurmRestDriver(rest, {}).validate(run(artifacts=["a"]))

    assert "hands out no files" in problem.message
    with pytest.raises(ValueError, match="exactly one"):
        SlurmSystem()
    with pytest.raises(ValueError, match="without rest"):
        SlurmRestDriver(system(), {})
    with pytest.raises(ExternalError, match="neither the key 'token' nor 'jwt-key'"):
        await SlurmRestDriver(rest, {}).lookup(run())
