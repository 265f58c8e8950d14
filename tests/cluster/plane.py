"""A running control plane as a test sees it."""

import base64
import json
import subprocess
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from cluster import binaries, kube

API_PORT = 6443
TOKEN_SECONDS = 6 * 3600


class PlaneError(Exception):
    """The control plane did not start, or a program that asked it failed."""


class Plane:
    """A control plane: where it is, and ways to ask it.

    Attributes:
        folder: Its certificates, logs and kubeconfig files.
        host: Its loopback address.
        admin_token: The token of a cluster administrator.
    """

    def __init__(self, folder: Path, host: str, admin_token: str) -> None:
        self.folder = folder
        self.host = host
        self.admin_token = admin_token

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://{self.host}:{API_PORT}"

    @property
    def authority(self) -> Path:
        """The certificate to trust."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def audit_log(self) -> Path:
        """Where the API server writes what was asked."""
        return self.folder / "audit.jsonl"

    @cached_property
    def kubeconfig(self) -> Path:
        """A kubeconfig file of a cluster administrator."""
        path = self.folder / "kubeconfig"
        if not path.is_file():
            self.write_kubeconfig(path, self.admin_token)
        return path

    def kube(self, namespace: str = "default", agent: str = kube.AGENT) -> kube.Kube:
        """A client of a cluster administrator."""
        return kube.Kube(self.url, self.admin_token, self.authority, namespace, agent)

    def write_kubeconfig(self, path: Path, token: str, namespace: str = "default") -> None:
        """Write a kubeconfig file that needs no other file."""
        said = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": "test", "namespace": namespace},
                }
            ],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": base64.b64encode(
                            self.authority.read_bytes()
                        ).decode(),
                    },
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
        }
        half = path.with_suffix(".part")
        half.write_text(json.dumps(said))
        half.chmod(0o600)
        half.rename(path)

    def user(self, service_account: str, namespace: str) -> Path:
        """A kubeconfig file of a service account, which is made if it is not there."""
        asked = self.kube(namespace)
        if asked.find("serviceaccounts", service_account) is None:
            asked.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                         "metadata": {"name": service_account, "namespace": namespace}})  # fmt: skip
        answer = asked.request(
            "POST",
            asked.path("serviceaccounts", f"{service_account}/token"),
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
             "spec": {"expirationSeconds": TOKEN_SECONDS}},
        )  # fmt: skip
        path = self.folder / f"{namespace}.{service_account}.kubeconfig"
        self.write_kubeconfig(path, answer["status"]["token"], namespace)
        return path

    def kubectl(
        self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> str:
        """What kubectl prints, as an administrator or as the user of another kubeconfig file.

        Raises:
            PlaneError: If it fails, with what it said.
        """
        done = subprocess.run(
            [str(binaries.find("kubectl")), "--kubeconfig", str(kubeconfig or self.kubeconfig),
             "--cache-dir", str(self.folder / "discovery"), *arguments],
            input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PlaneError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def audit(
        self,
        user_agent: str = "",
        *,
        user: str = "",
        namespace: str = "",
        verbs: Iterable[str] = (),
    ) -> list[dict[str, Any]]:
        """Requests the API server answered, oldest first, as audit events.

        Mutating requests of everybody, and reads of service accounts outside kube-system.

        Args:
            user_agent: Only those whose user agent begins so.
            user: Only those of a user, for example ``system:serviceaccount:lab:controller``.
            namespace: Only those in a namespace.
            verbs: Only these, for example ``patch``.
        """
        found = []
        wanted = frozenset(verbs)
        with self.audit_log.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):  # being written
                    break
                if not all(word in line for word in (user_agent, user, namespace)):
                    continue  # most lines are somebody else's
                event = json.loads(line)
                if (
                    event.get("userAgent", "").startswith(user_agent)
                    and (not user or event["user"].get("username") == user)
                    and (not namespace or event.get("objectRef", {}).get("namespace") == namespace)
                    and (not wanted or event["verb"] in wanted)
                ):
                    found.append(event)
        return found
