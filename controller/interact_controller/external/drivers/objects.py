"""Objects of a run's namespace as the drivers ask for them, and how Kubernetes' refusals are read."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec
from interact_api.conditions import Reason
from interact_api.plain import mapping
from interact_api.problem import Problem

from interact_controller import errors
from interact_controller.external.driver import ExternalError, Refused

NEVER: Final = frozenset({400, 404, 405, 413, 422})
"""Refusals that the same object will always get: it is wrong, or its namespace is gone."""


class Requests(Protocol):
    """The door to Kubernetes, as `interact_controller.kube.Api` is one."""

    async def request(self, method: str, path: str, body: Any = None, **query: str) -> bytes:
        """One request; gives the body of the answer."""
        ...


class Objects:
    """Objects of one kind, by namespace and name.

    Args:
        api: The door to Kubernetes.
        root: Where the kind's group and version are, such as ``/api/v1``.
        plural: Of the kind.
    """

    def __init__(self, api: Requests, root: str, plural: str) -> None:
        self._api, self._root, self._plural = api, root, plural

    async def find(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One object, or nothing."""
        async with understood():
            try:
                told = await self._api.request("GET", self._path(namespace, name))
            except errors.Refused as error:
                if error.status == 404:
                    return None
                raise
            return mapping(msgspec.json.decode(told))

    async def _delete(self, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        """Delete one; what is gone is gone. `errors.ClusterError` passes."""
        try:
            await self._api.request("DELETE", self._path(namespace, name), dict(body))
        except errors.Refused as error:
            if error.status != 404:
                raise

    def _path(self, namespace: str, name: str = "") -> str:
        where = f"{self._root}/namespaces/{quote(namespace, safe='')}/{self._plural}"
        return f"{where}/{quote(name, safe='')}" if name else where


@contextmanager
def making(what: str) -> Iterator[None]:
    """Refusals to make an object: `Refused` if it will never be taken, else `ExternalError`."""
    try:
        yield
    except errors.Refused as error:
        if error.status in NEVER:
            raise Refused(Problem("spec", Reason.INVALID_SPEC, str(error)[:1000])) from error
        raise ExternalError(f"Kubernetes makes no {what}: {error}"[:1000]) from error


@asynccontextmanager
async def understood() -> AsyncIterator[None]:
    """Whatever Kubernetes refuses within is told as `ExternalError`: the call is made again."""
    try:
        yield
    except errors.ClusterError as error:
        raise ExternalError(f"Kubernetes does not answer as asked: {error}"[:1000]) from error
