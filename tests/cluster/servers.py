"""The processes of a control plane: etcd, API server and controller manager."""

import base64
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import urllib3
import yaml

from cluster import binaries, kube, processes, waiting
from cluster.plane import API_PORT, Plane, PlaneError

ETCD_PORT = 2379
PEER_PORT = 2380
MANAGER_PORT = 10257
START_SECONDS = 60.0
CRDS = binaries.ROOT / "crds"
CONTROLLERS = ("clusterrole-aggregation-controller", "deployment-controller", "disruption-controller",
               "endpointslice-controller", "garbage-collector-controller", "job-controller",
               "namespace-controller", "pod-garbage-collector-controller",
               "replicaset-controller", "resourcequota-controller", "root-ca-certificate-publisher-controller",
               "serviceaccount-controller", "statefulset-controller")  # fmt: skip
_RUNTIME = {"GOGC": "400"}
"""Go collects its garbage less often: memory for time."""
_NOBODY = {"level": "None"}
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        _NOBODY | {"users": ["system:apiserver"]},
        _NOBODY | {"nonResourceURLs": ["/*"]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        _NOBODY | {"userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        _NOBODY,
    ],
}
_EC_KEY = (bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107"))
"""What stands around the 32 bytes of a P-256 private key in DER (RFC 5915, no public key)."""


class OwnPlane(Plane):
    """A control plane of one's own, which can be stopped and started.

    It ends with the thread that started it, or by `close`.

    Args:
        folder: Where it keeps everything; is there and empty.
        crds: A folder of CRDs to install before the controller manager starts, so that its
            garbage collector knows them from the beginning.
        say: Told if programs have to be built.
        manager_qps: Requests a second that Kubernetes' own controllers may make, each; their
            default is 20.
    """

    def __init__(
        self,
        folder: Path,
        crds: Path | None = CRDS,
        say: Callable[[str], None] = print,
        manager_qps: int = 500,
    ) -> None:
        self._manager_qps = manager_qps
        self._programs = {
            name: str(binaries.find(name, say))
            for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
        }
        self._address = processes.Address()
        self._running: dict[str, processes.Process] = {}
        super().__init__(folder, self._address.host, secrets.token_hex(16))
        try:
            self._start(crds)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        for name in reversed(list(self._running)):
            processes.stop(self._running.pop(name), kill=True)
        self._address.close()

    def stop_api(self) -> None:
        """End the API server at once, as a crash does; what it stored stays."""
        processes.stop(self._running.pop("kube-apiserver"), kill=True)

    def start_api(self) -> None:
        """Start the API server; it is ready when this returns.

        Raises:
            PlaneError: If it does not start.
        """
        self._run("kube-apiserver", _api_arguments(self))
        self._until("kube-apiserver", lambda: self.kube().request("GET", "/readyz"))

    def forget_history(self) -> None:
        """Drop the past and restart the API server: watches that resume get 410 Gone."""
        self.stop_api()
        etcd = f"http://{self.host}:{ETCD_PORT}/v3/kv"
        key = {"key": base64.b64encode(b"/").decode()}
        seen = urllib3.request("POST", f"{etcd}/range", json=key).json()
        newest = seen["header"]["revision"]
        done = urllib3.request("POST", f"{etcd}/compaction", json={"revision": newest})
        if done.status != 200:
            raise PlaneError(f"etcd was not compacted: {done.data.decode()}")
        self.start_api()

    def _start(self, crds: Path | None) -> None:
        (self.folder / "service-account.key").write_text(_private_key())
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
        (self.folder / "tokens.csv").write_text(
            f'{self.admin_token},admin,admin,"system:masters"\n'
        )
        self._run("etcd", _etcd_arguments(self))
        self.start_api()
        if crds is not None:
            self.install(crds)
        self._run(
            "kube-controller-manager",
            [
                f"--kubeconfig={self.kubeconfig}",
                f"--bind-address={self.host}",
                f"--secure-port={MANAGER_PORT}",
                f"--cert-dir={self.folder / 'manager'}",
                f"--controllers={','.join(CONTROLLERS)}",
                f"--root-ca-file={self.authority}",
                f"--service-account-private-key-file={self.folder / 'service-account.key'}",
                "--use-service-account-credentials",
                "--leader-elect=false",
                f"--kube-api-qps={self._manager_qps}",
                f"--kube-api-burst={self._manager_qps}",
            ],
        )
        self._until(
            "kube-controller-manager",
            lambda: self.kube("default").find("serviceaccounts", "default"),
        )

    def stop_manager(self) -> None:
        """End Kubernetes' own controllers: what there is stays as it is."""
        processes.stop(self._running.pop("kube-controller-manager"))

    def install(self, crds: Path) -> None:
        """Apply the CRDs of a folder and wait until the API server serves them."""
        asked = self.kube()
        for path in sorted(crds.glob("*.yaml")):
            made = asked.apply(path.read_text())
            name = made["metadata"]["name"]
            asked.wait("customresourcedefinitions", name, kube.has_condition("Established"))
            waiting.eventually(partial(_served, asked, made["spec"]), name)

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        log = self.folder / f"{name}.log"
        self._running[name] = processes.start([self._programs[name], *arguments], log, _RUNTIME)

    def _until(self, name: str, look: Callable[[], object]) -> None:
        def there() -> bool:
            if self._running[name].poll() is not None:
                said = (self.folder / f"{name}.log").read_text(errors="replace")
                raise PlaneError(f"{name} ended: {said[-2000:]}")
            try:
                return bool(look())
            except (OSError, urllib3.exceptions.HTTPError, kube.KubeError):
                return False

        try:
            waiting.eventually(there, name, START_SECONDS)
        except AssertionError as error:
            raise PlaneError(f"{name} was not ready within {START_SECONDS:g} s") from error


def _served(asked: kube.Kube, crd: kube.Object) -> bool:
    try:
        known = asked.request("GET", f"/apis/{crd['group']}/{crd['versions'][0]['name']}")
    except kube.KubeError:
        return False
    return crd["names"]["plural"] in {one["name"] for one in known["resources"] or ()}


def _etcd_arguments(plane: Plane) -> list[str]:
    client = f"http://{plane.host}:{ETCD_PORT}"
    peer = f"http://{plane.host}:{PEER_PORT}"
    return [
        f"--data-dir={plane.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # it need not outlive the machine
    ]


def _api_arguments(plane: Plane) -> list[str]:
    key = plane.folder / "service-account.key"
    return [
        f"--etcd-servers=http://{plane.host}:{ETCD_PORT}",
        f"--bind-address={plane.host}",
        f"--advertise-address={plane.host}",
        f"--secure-port={API_PORT}",
        f"--cert-dir={plane.folder / 'certificates'}",
        f"--token-auth-file={plane.folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer=https://{plane.host}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",  # endpoints refuse loopback addresses
        f"--audit-policy-file={plane.folder / 'audit.yaml'}",
        f"--audit-log-path={plane.audit_log}",
        "--audit-log-maxsize=4096",
        "--event-ttl=1h",
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=0",
        "--max-mutating-requests-inflight=0",
    ]


def _private_key() -> str:
    secret = bytes([1 + secrets.randbelow(0x7F)]) + secrets.token_bytes(31)  # below the order
    text = base64.encodebytes(_EC_KEY[0] + secret + _EC_KEY[1]).decode()
    return f"-----BEGIN EC PRIVATE {'KEY'}-----\n{text}-----END EC PRIVATE {'KEY'}-----\n"
