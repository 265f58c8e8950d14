"""The door to the kubernetes package: kubeconfig, requests, port-forward.

Nothing else imports it, and it is imported when a command on a cluster begins: it takes 0.6 s.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import portforward

from interact.cli.cluster.api import JSON, ApiError, Object

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_config: Final[Any] = config
"""Its functions are not typed."""
_UNREADABLE: Final = (
    ConfigException, yaml.YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError,
)  # fmt: skip
"""What the loader raises on a file that is no kubeconfig."""


class NoConfigError(Exception):
    """There is no kubeconfig, or it does not say how to reach a cluster."""


class NoContextError(Exception):
    """The kubeconfig has no such context; ``known`` are those it has."""

    def __init__(self, context: str, known: tuple[str, ...]) -> None:
        self.context = context
        self.known = known
        super().__init__(context)


@dataclass(frozen=True)
class Connection:
    """An API server, as `interact.cli.cluster.api.Api`; ``namespace`` is the context's."""

    client: client.ApiClient
    namespace: str

    @property
    def host(self) -> str:
        """The server's address."""
        return str(self.client.configuration.host)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """Send one request and read its answer."""
        response = self._send(method, path, query, body, content_type, accept, ANSWER_SECONDS)
        try:
            data = response.data
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self.host}: {_words(error)}") from error
        return cast("Object", json.loads(data or b"{}"))

    def text(self, path: str, *, query: Mapping[str, str] | None = None) -> str:
        """What one path says, as text."""
        response = self._send("GET", path, query, None, JSON, "*/*", ANSWER_SECONDS)
        try:
            return response.data.decode(errors="replace")
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self.host}: {_words(error)}") from error

    def lines(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON
    ) -> Iterator[Object]:
        """The events of a watch, until the server ends it."""
        watching = {**(query or {}), "watch": "true"}
        response = self._send("GET", path, watching, None, JSON, accept, None)
        rest = b""
        try:
            for chunk in response.stream(amt=None, decode_content=True):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in whole if line)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self.host}: {_words(error)}") from error
        finally:
            response.close()

    def tunnel(self, namespace: str, pod: str, port: int) -> socket.socket:
        """A connection to a port of a pod, through the API server."""
        method = client.CoreV1Api(self.client).connect_get_namespaced_pod_portforward
        try:
            forward = portforward(method, pod, namespace, ports=str(port))
        except ApiException as error:  # with status 0, whatever happened; the cause knows
            cause = error.__context__
            code = getattr(cause, "status_code", 0)
            if code:
                raise _refusal(code, getattr(cause, "resp_body", None) or b"") from error
            raise ApiError(0, f"{self.host}: {error.reason}") from error
        return cast("socket.socket", forward.socket(port))

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        accept: str,
        seconds: float | None,
    ) -> urllib3.HTTPResponse:
        headers = {"Accept": accept, "Content-Type": content_type}
        sent = self.client.param_serialize(
            method, path, query_params=list((query or {}).items()),
            header_params=headers, body=body, auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            answer = self.client.call_api(*sent, _request_timeout=(CONNECT_SECONDS, seconds))
            response = cast("urllib3.HTTPResponse", answer.response)
            if response.status < 400:
                return response
            data = response.data
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self.host}: {_words(error)}") from error
        except ApiException as error:
            raise ApiError(error.status or 0, f"{self.host}: {error.reason}") from error
        raise _refusal(response.status, data)


def connect(kubeconfig: str = "", context: str = "") -> Connection:
    """Read the kubeconfig as kubectl does, or use the pod's service account.

    Args:
        kubeconfig: The file; `KUBECONFIG`, else ``~/.kube/config`` when empty.
        context: The context; the file's current one when empty.

    Raises:
        NoConfigError: If there is nothing to read.
        NoContextError: If there is no such context.
    """
    files = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    found = [path for path in files.split(os.pathsep) if path and Path(path).expanduser().exists()]
    settings = client.Configuration()
    if not found and not kubeconfig and not context and _SERVICE_ACCOUNT.exists():
        _config.load_incluster_config(client_configuration=settings)
        return _connection(settings, _SERVICE_ACCOUNT.read_text(encoding="utf-8").strip())
    if not found:
        raise NoConfigError(f"{files}: no such file")
    try:
        contexts, active = _config.list_kube_config_contexts(files)
        known = {str(one["name"]): one["context"] for one in contexts}
        if context and context not in known:
            raise NoContextError(context, tuple(sorted(known)))
        _config.load_kube_config(files, context or None, settings, persist_config=False)
        chosen = known[context] if context else active["context"]
    except _UNREADABLE as error:
        raise NoConfigError(f"{files}: {error}") from error
    return _connection(settings, str(chosen.get("namespace") or "default"))


def _connection(settings: client.Configuration, namespace: str) -> Connection:
    settings.retries = False  # a dead server is told at once, and without urllib3's warnings
    return Connection(client.ApiClient(settings), namespace)


def _refusal(code: int, data: bytes) -> ApiError:
    try:
        status = json.loads(data)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        return ApiError(code, data.decode(errors="replace").strip()[:500])
    return ApiError(code, str(status.get("message", "")), status)


def _words(error: Exception) -> str:
    """The innermost reason of a failed connection."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = cast("Exception", error.__cause__ or error.__context__)
    return getattr(error, "strerror", None) or str(error)
