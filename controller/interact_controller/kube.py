"""The one door to Kubernetes: a few plain requests, refused once this process no longer leads."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from interact_api.model import GROUP
from interact_api.plain import entries, mapping
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

import interact_controller
from interact_controller.errors import ClusterError, ClusterUnreachable, Conflict, Refused
from interact_controller.seen import Key, Kind, Manifest

REQUEST_SECONDS: Final = 10.0
CONNECTIONS: Final = 16
"""At once; each keeps a quarter of a megabyte for what it reads."""
PAGE: Final = 100
"""Objects in one answer: five hundred Deployments would take eight megabytes to read."""
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_ROOTS: Final = {
    Kind.PIPELINE: (f"/apis/{GROUP}/v1alpha1", "pipelines"),
    Kind.OPERATOR: (f"/apis/{GROUP}/v1alpha1", "interactoperators"),
    Kind.DEPLOYMENT: ("/apis/apps/v1", "deployments"),
    Kind.POD: ("/api/v1", "pods"),
    Kind.EXTERNAL_RUN: (f"/apis/{GROUP}/v1alpha1", "externalruns"),
    Kind.EXTERNAL_SYSTEM: (f"/apis/{GROUP}/v1alpha1", "externalsystems"),
}
CLUSTERWIDE: Final = frozenset({Kind.EXTERNAL_SYSTEM})
"""Kinds that are in no namespace."""
VERSIONS: Final = {
    kind: root.removeprefix("/apis/").removeprefix("/api/") for kind, (root, _) in _ROOTS.items()
}
"""The apiVersion of each kind; lists leave it out of their items."""
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Connection:
    """Where the API server is and who we are.

    A token is read from ``token_file`` for each request, because the kubelet renews it.
    """

    url: str
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    token: str = ""
    token_file: str = ""

    def bearer(self) -> str:
        """The token as it is now; empty without one."""
        if self.token_file:
            return Path(self.token_file).read_text(encoding="utf-8").strip()
        return self.token

    def headers(self) -> dict[str, str]:
        """What says who we are."""
        token = self.bearer()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def ssl_context(self) -> ssl.SSLContext:
        """How its certificate is checked, and our own."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def connection(environment: Mapping[str, str]) -> Connection:
    """The API server that KUBECONFIG names, else the one of the pod we run in.

    Raises:
        ClusterUnreachable: If neither is there, or the file is of no use.
    """
    path = environment.get("KUBECONFIG", "")
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    if path or not host:
        return await _from_file(path or str(Path.home() / ".kube" / "config"))
    shown = f"[{host}]" if ":" in host else host
    return Connection(
        url=f"https://{shown}:{environment.get('KUBERNETES_SERVICE_PORT', '443')}",
        ca_file=str(_ACCOUNT / "ca.crt"),
        token_file=str(_ACCOUNT / "token"),
    )


async def _from_file(path: str) -> Connection:
    found = Configuration()
    try:
        await config.load_kube_config(path, client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]  # it has none
    except (OSError, config.ConfigException, ValueError) as error:
        raise ClusterUnreachable(
            f"no cluster: {error}; set KUBECONFIG to a kubeconfig file, or run in a pod"
        ) from error
    token = await found.get_api_key_with_prefix("BearerToken") or ""
    return Connection(
        url=found.host.rstrip("/"),
        ca_file=found.ssl_ca_cert,
        certificate_file=found.cert_file,
        key_file=found.key_file,
        verify=found.verify_ssl,
        server_name=found.tls_server_name,
        token=token.split(" ", 1)[-1],
    )


def agent(identity: str) -> str:
    """How audit logs show this process."""
    return f"interact-controller/{interact_controller.__version__} ({identity})"


@asynccontextmanager
async def door(
    connection: Connection, identity: str, may_write: Callable[[], bool]
) -> AsyncIterator["Api"]:
    """Requests to an API server while the block runs.

    Args:
        connection: The API server.
        identity: Who we are, for audit logs.
        may_write: Whether this process leads; asked before each request that changes something.
    """
    made = Configuration(
        host=connection.url, ssl_ca_cert=connection.ca_file, retries=None,
        cert_file=connection.certificate_file, key_file=connection.key_file,
    )  # fmt: skip
    made.verify_ssl = connection.verify
    made.tls_server_name = connection.server_name
    made.connection_pool_maxsize = CONNECTIONS
    async with ApiClient(made) as client:
        yield Api(client, connection, agent(identity), may_write)


class Api:
    """Plain requests; made by `door`."""

    def __init__(
        self, client: ApiClient, connection: Connection, agent: str, may_write: Callable[[], bool]
    ) -> None:
        self._client = client
        self._connection = connection
        self._agent = agent
        self._may_write = may_write

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> bytes:
        """One request; gives the body of the answer.

        Raises:
            Conflict: 409.
            Refused: Any other 4xx that trying again does not mend.
            ClusterUnreachable: No answer, 401, 429 or 5xx.
        """
        if method != "GET" and not self._may_write():
            raise ClusterUnreachable("this process does not lead and must not write")
        headers = {**self._connection.headers(), "Accept": accept, "Content-Type": content,
                   "User-Agent": self._agent}  # fmt: skip
        url = self._connection.url + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self._client.call_api(
                method, url, headers, body, _request_timeout=REQUEST_SECONDS
            )
            told: bytes = await answer.read()  # type: ignore[no-untyped-call]  # it has none
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            words = str(error) or "no answer in time"
            raise ClusterUnreachable(f"the API server does not answer: {words}") from error
        if answer.status >= 400:
            raise _error(int(answer.status), told)
        return told


def _error(status: int, told: bytes) -> ClusterError:
    try:
        words = str(mapping(_decode(told)).get("message", ""))
    except msgspec.DecodeError:
        words = told[:300].decode(errors="replace")
    words = words or f"HTTP status {status}"
    if status == 409:
        return Conflict(words, status)
    if status in {401, 429} or status >= 500:
        return ClusterUnreachable(words, status)
    return Refused(words, status)


def _list(kind: Kind, namespace: str) -> str:
    """Where all objects of a kind are, or those in a namespace."""
    root, plural = _ROOTS[kind]
    within = f"/namespaces/{namespace}" if namespace and kind not in CLUSTERWIDE else ""
    return f"{root}{within}/{plural}"


def path(key: Key, subresource: str = "") -> str:
    """Where an object is."""
    root, plural = _ROOTS[key.kind]
    within = "" if key.kind in CLUSTERWIDE else f"/namespaces/{key.namespace}"
    found = f"{root}{within}/{plural}/{key.name}"
    return f"{found}/{subresource}" if subresource else found


class Kubernetes:
    """The Cluster port; see `Api` for what it raises.

    Args:
        api: The API server.
        took: Called with each object the server answers with.
        gone: Called with the key and uid of each object that was deleted.
        page: Most objects in one answer.
    """

    def __init__(
        self,
        api: Api,
        took: Callable[[Manifest], object],
        gone: Callable[[Key, str], object],
        page: int = PAGE,
    ) -> None:
        self._api = api
        self._page = page
        self._took = took
        self._gone = gone

    async def apply(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Server-side apply, forced, of the fields in the manifest and no others."""
        about = mapping(manifest["metadata"])
        key = Key(Kind(str(manifest["kind"])), str(about["namespace"]), str(about["name"]))
        told = await self._api.request(
            "PATCH", path(key), manifest, content="application/apply-patch+yaml",
            fieldManager=manager, force="true",
        )  # fmt: skip
        return self._keep(told)

    async def create(self, manifest: Manifest) -> Manifest:
        """Make one object; `Conflict` if it is there."""
        kind, about = Kind(str(manifest["kind"])), mapping(manifest["metadata"])
        return self._keep(
            await self._api.request("POST", _list(kind, str(about["namespace"])), manifest)
        )

    async def remove(self, key: Key, *, uid: str) -> None:
        """Delete one object if its uid is still this; gone already is fine."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._api.request("DELETE", path(key), body)
        except Conflict:  # another object of its name
            return
        except Refused as error:
            if error.status != 404:
                raise
        self._gone(key, uid)

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        """Replace the status if the object is still this version."""
        body = {
            "apiVersion": VERSIONS[key.kind], "kind": str(key.kind), "status": status,
            "metadata": {"name": key.name, "namespace": key.namespace,
                         "resourceVersion": resource_version},
        }  # fmt: skip
        told = await self._api.request(
            "PUT", path(key, "status"), body, fieldManager="interact-controller"
        )
        return self._keep(told)

    async def live(self, key: Key) -> Manifest | None:
        """One object read from the server."""
        try:
            found: Manifest = _decode(await self._api.request("GET", path(key)))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found

    def _keep(self, told: bytes) -> Manifest:
        found: Manifest = _decode(told)
        self._took(found)
        return found

    async def pages(
        self, kind: Kind, namespace: str = "", *, labels: str = ""
    ) -> AsyncIterator[list[Manifest]]:
        """All objects of a kind, some hundreds at a time; of all namespaces if none is given."""
        where = _list(kind, namespace)
        query = {"limit": str(self._page), **({"labelSelector": labels} if labels else {})}
        while True:
            told = mapping(_decode(await self._api.request("GET", where, **query)))
            head = {"apiVersion": VERSIONS[kind], "kind": str(kind)}
            yield [{**head, **mapping(one)} for one in entries(told.get("items"))]
            query["continue"] = str(mapping(told.get("metadata")).get("continue") or "")
            if not query["continue"]:
                return

    async def glance(self, kind: Kind, namespace: str = "", *, labels: str = "") -> "Glance":
        """What there is of a kind: uids and versions only, as of one moment."""
        where = _list(kind, namespace)
        query = {"limit": str(self._page), **({"labelSelector": labels} if labels else {})}
        found: dict[Key, tuple[str, int]] = {}
        while True:
            told = _partial(await self._api.request("GET", where, accept=_METADATA, **query))
            for one in (item.metadata for item in told.items or ()):
                found[Key(kind, one.namespace, one.name)] = (one.uid, int(one.resourceVersion))
            if not told.metadata.next:
                return Glance(int(told.metadata.resourceVersion), found)
            query["continue"] = told.metadata.next

    async def installation(self, namespace: str, name: str, fresh: str) -> str:
        """The id of this installation, made once: whoever comes second reads the first one's."""
        where = f"/api/v1/namespaces/{namespace}/configmaps"
        for _ in range(2):
            try:
                found = mapping(_decode(await self._api.request("GET", f"{where}/{name}")))
                known = mapping(found.get("data")).get("id")
                if not known:
                    words = f"ConfigMap {namespace}/{name} has no id: delete it, or set an installation id"
                    raise Refused(words, 422)
                return str(known)
            except Refused as error:
                if error.status != 404:
                    raise
            body = {"metadata": {"name": name}, "data": {"id": fresh}, "immutable": True}
            try:
                await self._api.request("POST", where, body)
            except Conflict:
                continue
            return fresh
        raise ClusterUnreachable(f"ConfigMap {namespace}/{name} comes and goes")


@dataclass(frozen=True)
class Glance:
    """Uids and resource versions of all objects of a kind, and the version of the list."""

    version: int
    objects: Mapping[Key, tuple[str, int]]


class _About(msgspec.Struct):
    name: str
    uid: str
    resourceVersion: str  # noqa: N815  # Kubernetes' spelling
    namespace: str = ""


class _Item(msgspec.Struct):
    metadata: _About


class _ListAbout(msgspec.Struct):
    resourceVersion: str = "0"  # noqa: N815  # Kubernetes' spelling
    next: str = msgspec.field(default="", name="continue")


class _Partial(msgspec.Struct):
    metadata: _ListAbout
    items: list[_Item] | None = None


_partial: Callable[[bytes], _Partial] = msgspec.json.Decoder(_Partial).decode
