"""A small client of the API server, for tests to look and to act with."""

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import urllib3
import yaml

from cluster import waiting

Object = dict[str, Any]
AGENT = "interact-tests"
_KINDS = {
    "apps/v1": "Deployment ReplicaSet StatefulSet DaemonSet",
    "apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "batch/v1": "Job CronJob",
    "coordination.k8s.io/v1": "Lease",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "interact.science/v1alpha1": "Pipeline InteractOperator ExternalRun ExternalSystem",
    "networking.k8s.io/v1": "NetworkPolicy",
    "policy/v1": "PodDisruptionBudget",
    "rbac.authorization.k8s.io/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "storage.k8s.io/v1": "StorageClass",
    "v1": "ConfigMap Event Namespace Node PersistentVolume PersistentVolumeClaim Pod ResourceQuota Secret Service ServiceAccount",
}  # fmt: skip
# What kubectl does as well: an API server that has just started says 429 and when to ask again.
_ASKED_AGAIN = urllib3.Retry(connect=False, read=False, other=False, redirect=False, status=10,
                             allowed_methods=None, raise_on_status=False)  # fmt: skip
_WITHOUT_NAMESPACE = {"clusterroles", "clusterrolebindings", "customresourcedefinitions", "externalsystems",
                      "namespaces", "nodes", "persistentvolumes", "storageclasses"}  # fmt: skip


def plural(kind: str) -> str:
    """The resource of a kind: ``NetworkPolicy`` → ``networkpolicies``."""
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


_VERSIONS = {plural(kind): version for version, kinds in _KINDS.items() for kind in kinds.split()}


class KubeError(Exception):
    """The API server refused: ``status`` is the HTTP status, ``reason`` Kubernetes' word for it."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason", ""))
        self.message = str(body.get("message", ""))
        super().__init__(f"{status} {self.reason}: {self.message}")


class Kube:
    """The API server as one user sees it.

    Resources are named by their plural (``"pods"``, ``"pipelines"``). ``namespace`` defaults to
    the client's own.
    """

    def __init__(
        self, url: str, token: str, authority: Path, namespace: str = "default", agent: str = AGENT
    ) -> None:
        self.url = url
        self.namespace = namespace
        self._given = (url, token, authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority)
        self._pool = urllib3.PoolManager(
            ssl_context=context,
            maxsize=16,  # connections kept; threads may share a client
            headers={"Authorization": f"Bearer {token}", "User-Agent": agent},
            retries=_ASKED_AGAIN,
            timeout=60.0,
        )

    def within(self, namespace: str, agent: str = AGENT) -> "Kube":
        """The same user in another namespace, or by another name."""
        return Kube(*self._given, namespace, agent)

    def path(self, resource: str, name: str = "", namespace: str | None = None) -> str:
        """The path of a resource's objects, or of one; ``name`` may end in a subresource."""
        version = _VERSIONS[resource]
        root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        if resource not in _WITHOUT_NAMESPACE and namespace != "":
            root += f"/namespaces/{namespace or self.namespace}"
        return f"{root}/{resource}" + (f"/{name}" if name else "")

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content: str = "application/json",
        **query: str,
    ) -> Object:
        """One request; gives the body of the answer.

        Raises:
            KubeError: If the API server says no.
        """
        whole = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._pool.request(
            method,
            whole,
            body=None if body is None else json.dumps(body),
            headers={**self._pool.headers, "Content-Type": content},
        )
        text = answer.data.decode()
        said = json.loads(text) if text.startswith("{") else {"message": text}
        if answer.status >= 400:
            raise KubeError(answer.status, said)
        return cast("Object", said)

    def find(self, resource: str, name: str, namespace: str | None = None) -> Object | None:
        """An object, or nothing if it is not there."""
        try:
            return self.get(resource, name, namespace)
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    def get(self, resource: str, name: str, namespace: str | None = None) -> Object:
        """An object."""
        return self.request("GET", self.path(resource, name, namespace))

    def list(
        self, resource: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Objects, by label and field selector; of all namespaces if ``namespace`` is empty."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        asked = {key: value for key, value in query.items() if value}
        answer = self.request("GET", self.path(resource, namespace=namespace), **asked)
        return cast("list[Object]", answer["items"])

    def apply(
        self,
        given: str | Object,
        *,
        manager: str = AGENT,
        force: bool = True,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Apply objects server-side, given as YAML or one as a mapping; gives the last one."""
        objects = list(yaml.safe_load_all(given)) if isinstance(given, str) else [given]
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        applied: Object = {}
        for one in filter(None, objects):
            where = namespace or one["metadata"].get("namespace")
            applied = self.request(
                "PATCH",
                self.path(plural(one["kind"]), one["metadata"]["name"], where),
                one,
                "application/apply-patch+yaml",
                **query | ({"dryRun": "All"} if dry_run else {}),
            )
        return applied

    def create(self, given: Object, namespace: str | None = None) -> Object:
        """Make an object; fails if it is there."""
        where = namespace or given["metadata"].get("namespace")
        return self.request("POST", self.path(plural(given["kind"]), namespace=where), given)

    def patch(
        self, resource: str, name: str, patch: object, namespace: str | None = None
    ) -> Object:
        """Merge a mapping into an object, or apply a list of JSON patch operations."""
        kind = "json-patch" if isinstance(patch, Sequence) else "merge-patch"
        path = self.path(resource, name, namespace)
        return self.request("PATCH", path, patch, f"application/{kind}+json", fieldManager=AGENT)

    def patch_status(
        self, resource: str, name: str, status: object, namespace: str | None = None
    ) -> Object:
        """Merge a mapping into an object's status."""
        return self.patch(resource, f"{name}/status", {"status": status}, namespace)

    def delete(
        self,
        resource: str,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        grace: int | None = None,
    ) -> None:
        """Delete an object; its children too, later, unless ``propagation`` says otherwise."""
        options: Object = {"propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        self.request("DELETE", self.path(resource, name, namespace), options)

    def wait(
        self,
        resource: str,
        name: str,
        until: Callable[[Object], object] = bool,
        namespace: str | None = None,
        within: float = waiting.WITHIN_SECONDS,
    ) -> Object:
        """Wait until an object is as wanted; gives it.

        Args:
            resource: Its resource.
            name: Its name.
            until: Whether it is so; called with the object once it is there.
            namespace: Its namespace.
            within: Seconds until the test fails with the object as it was last.
        """
        last: list[Object | None] = [None]

        def look() -> Object | None:
            last[0] = self.find(resource, name, namespace)
            return last[0] if last[0] is not None and until(last[0]) else None

        def told() -> str:
            shown = dict(last[0] or {})
            shown.pop("metadata", None)  # mostly managed fields
            return f"{resource}/{name} as wanted; it is\n{yaml.safe_dump(shown)}"

        return cast("Object", waiting.eventually(look, told, within))

    def wait_gone(
        self,
        resource: str,
        name: str,
        namespace: str | None = None,
        within: float = waiting.WITHIN_SECONDS,
    ) -> None:
        """Wait until there is no such object."""
        waiting.eventually(
            lambda: self.find(resource, name, namespace) is None, f"{resource}/{name} gone", within
        )


def condition(given: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition in an object's status; empty if it is not there."""
    found = [one for one in given.get("status", {}).get("conditions") or () if one["type"] == kind]
    return found[0] if found else {}


def has_condition(kind: str, status: str = "True") -> Callable[[Mapping[str, Any]], bool]:
    """For `Kube.wait`: until a condition has a status, seen for the object's generation."""

    def holds(given: Mapping[str, Any]) -> bool:
        found = condition(given, kind)
        seen = found.get("observedGeneration", given["metadata"].get("generation"))
        return found.get("status") == status and seen == given["metadata"].get("generation")

    return holds
