"""What the commands need of an API server, in as few words as possible."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from interact_api.plain import entries, mapping

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

JSON: Final = "application/json"
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
"""Asks for the columns the server prints (Kubernetes: "Receiving resources as Tables")."""
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


class ApiError(Exception):
    """The API server did not do what was asked.

    Attributes:
        code: Its HTTP status; 0 where no server answered.
        status: Its ``Status`` object; empty where it sent none.
    """

    def __init__(self, code: int, message: str, status: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.status = dict(status or {})
        super().__init__(message)

    @property
    def kind_is_known(self) -> bool:
        """Whether the server knows the kind that was asked for; it sends no details otherwise."""
        return self.code != 404 or bool(mapping(self.status.get("details")).get("kind"))

    @property
    def causes(self) -> list[str]:
        """What is wrong with which field, where the server says so."""
        causes = entries(mapping(self.status.get("details")).get("causes"))
        return [f"{one.get('field', '')}: {one.get('message', '')}" for one in causes]


class Api(Protocol):
    """An API server that has accepted who we are. Every method raises `ApiError`."""

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
        ...

    def lines(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON
    ) -> Iterator[Object]:
        """The events of a watch, until the server ends it."""
        ...

    def text(self, path: str, *, query: Mapping[str, str] | None = None) -> str:
        """What one path says, as text: a pod's log."""
        ...

    def tunnel(self, namespace: str, pod: str, port: int) -> socket.socket:
        """A connection to a port of a pod, through the API server."""
        ...
