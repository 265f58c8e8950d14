"""Jobs and their pods as the drivers ask for them, and how Kubernetes' refusals are to be read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec
from interact_api.conditions import Reason
from interact_api.plain import entries, mapping
from interact_api.problem import Problem

from interact_controller import errors
from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers.pods import KEY_LABEL

NEVER: Final = frozenset({400, 404, 405, 413, 422})
"""Refusals that the same object will always get: it is wrong, or its namespace is gone."""


MOST: Final = 100
"""Objects of one run that are looked at."""


class Requests(Protocol):
    """The door to Kubernetes, as `interact_controller.kube.Api` is one."""

    async def request(self, method: str, path: str, body: Any = None, **query: str) -> bytes:
        """One request; gives the body of the answer."""
        ...


class Jobs:
    """Jobs by namespace and name."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def make(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create a Job; the one that is there if its name is taken.

        Raises:
            Refused: If it will never be taken.
            Ambiguous: If it may have been made.
            ExternalError: If it was not.
        """
        about = manifest["metadata"]
        try:
            told = await self._api.request("POST", _path(about["namespace"], ""), manifest)
        except errors.Conflict:
            found = await self.find(about["namespace"], about["name"])
            if found is None:
                raise ExternalError(
                    f"Job {about['name']} comes and goes; it is made again"
                ) from None
            return found
        except errors.Refused as error:
            if error.status in NEVER:
                raise Refused(Problem("spec", Reason.INVALID_SPEC, str(error)[:1000])) from error
            raise ExternalError(f"Kubernetes makes no Job: {error}"[:1000]) from error
        except errors.ClusterError as error:
            raise Ambiguous(str(error)) from error
        return mapping(msgspec.json.decode(told))

    async def find(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A Job, or nothing."""
        async with understood():
            try:
                told = await self._api.request("GET", _path(namespace, name))
            except errors.Refused as error:
                if error.status == 404:
                    return None
                raise
            return mapping(msgspec.json.decode(told))

    async def of_key(self, namespace: str, key: str) -> list[dict[str, Any]]:
        """The Jobs with a run's key, the last made first; none in a namespace that is gone."""
        return await self._of_key(_path(namespace, ""), key)

    async def remove(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job once its pods are gone; another of its name stays."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Foreground"}
        async with understood():
            try:
                await self._api.request("DELETE", _path(namespace, name), body)
            except errors.Conflict:
                return
            except errors.Refused as error:
                if error.status != 404:
                    raise

    async def pods(self, namespace: str, key: str) -> list[dict[str, Any]]:
        """The pods with a run's key, the last made first."""
        return await self._of_key(f"/api/v1/namespaces/{quote(namespace, safe='')}/pods", key)

    async def _of_key(self, path: str, key: str) -> list[dict[str, Any]]:
        async with understood():
            told = await self._api.request(
                "GET", path, labelSelector=f"{KEY_LABEL}={key}", limit=str(MOST)
            )
        found = [mapping(one) for one in entries(mapping(msgspec.json.decode(told)).get("items"))]
        return sorted(found, key=_made, reverse=True)


def _made(one: dict[str, Any]) -> tuple[str, int, str]:
    """When an object was made; of the same second, the longer name is the later."""
    about = one["metadata"]
    return str(about["creationTimestamp"]), len(about["name"]), str(about["name"])


@asynccontextmanager
async def understood() -> AsyncIterator[None]:
    """Whatever Kubernetes refuses within is told as `ExternalError`: the call is made again."""
    try:
        yield
    except errors.ClusterError as error:
        raise ExternalError(f"Kubernetes does not answer as asked: {error}"[:1000]) from error


def _path(namespace: str, name: str) -> str:
    where = f"/apis/batch/v1/namespaces/{quote(namespace, safe='')}/jobs"
    return f"{where}/{quote(name, safe='')}" if name else where
