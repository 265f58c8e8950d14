"""A real Slurm on this machine with slurmrestd and an SSH server before it; needs root."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.waiting import eventually
from interact_api.external_slurm import SlurmRest, SlurmSsh, SlurmSystem

TOOLS = Path(__file__).resolve().parents[4] / "shared" / "tools" / "slurm"
NEEDED = ("slurmctld", "slurmd", "slurmrestd", "sbatch", "sshd", "ssh-keygen", "munged")
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:" + os.environ.get("PATH", "")


def missing() -> str:
    """What keeps the tests from running; empty if nothing does."""
    if not TOOLS.is_dir():
        return "no script that starts Slurm"
    if os.geteuid() != 0:
        return "not root: Slurm's daemons need it"
    absent = [name for name in NEEDED if shutil.which(name, path=_PATH) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


class SlurmCluster:
    """A running Slurm.

    Attributes:
        folder: Its state.
        jobs: Where jobs have their folders.
        private_key: What opens the SSH server.
        system: As an administrator declares it over SSH.
        rest_url: Where slurmrestd listens.
    """

    def __init__(self, folder: Path, host: str, port: int, exports: str) -> None:
        told = dict(word.split("=", 1) for word in exports.split()[1:])
        self.folder = folder
        self.jobs = folder / "jobs"
        self.private_key = (folder / "client").read_text()
        self.conf = told["SLURM_CONF"]
        self.rest_url = told["SLURMRESTD"].partition("/slurm/")[0]
        self.system = self.over(folder, host, port)

    def over(self, folder: Path, host: str, port: int) -> SlurmSystem:
        """As an administrator declares it over an SSH server; see `login`."""
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        return SlurmSystem(
            ssh=SlurmSsh(
                host=host, port=port, user="root", known_hosts=f"[{host}]:{port} {public}",
                folder=str(self.jobs), environment={"SLURM_CONF": self.conf},
            )
        )  # fmt: skip

    def rest(self, user: str) -> SlurmSystem:
        """As an administrator declares it by slurmrestd."""
        return SlurmSystem(rest=SlurmRest(url=self.rest_url, user=user, folder=str(self.jobs)))

    def ask(self, *command: str) -> str:
        """What one of Slurm's own commands prints."""
        done = subprocess.run(
            command, env={**os.environ, "SLURM_CONF": self.conf, "PATH": _PATH}, check=True,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    def numbers(self, key: str) -> list[str]:
        """The jobs Slurm ever took under a key and still remembers."""
        return self.ask("squeue", "-h", "--states=all", f"--name={key}", "--format=%i").split()


@contextmanager
def running(folder: Path, host: str, ports: range) -> Iterator[SlurmCluster]:
    """A Slurm of our own while the block lasts; ``ports`` has five that are free on loopback."""
    jobs = folder / "jobs"
    jobs.mkdir()
    jobs.chmod(0o777)
    exports = _run([str(TOOLS / "slurm_up.sh"), str(folder), str(ports[0])]).splitlines()[-1]
    try:
        with login(folder, host, ports[4]):
            yield SlurmCluster(folder, host, ports[4], exports)
    finally:
        _run([str(TOOLS / "slurm_down.sh"), str(folder)])


@contextmanager
def login(folder: Path, host: str, port: int) -> Iterator[None]:
    """An SSH server while the block lasts; its keys, and the client's, lie in the folder."""
    (folder / "log").mkdir(exist_ok=True)
    for name in ("host", "client"):
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    (folder / "authorized").write_text((folder / "client.pub").read_text())
    (folder / "sshd.conf").write_text(
        f"ListenAddress {host}\nPort {port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nAllowTcpForwarding no\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it
    server = shutil.which("sshd", path=_PATH)
    log = folder / "log" / "sshd.log"
    process = subprocess.Popen([str(server), "-D", "-f", str(folder / "sshd.conf"), "-E", str(log)])
    try:
        eventually(
            lambda: "listening" in log.read_text() if log.exists() else False, "sshd listens"
        )
        yield
    finally:
        process.terminate()
        process.wait(30)


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": _PATH},
    )  # fmt: skip
    return done.stdout
