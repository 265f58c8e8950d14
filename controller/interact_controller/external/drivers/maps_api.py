"""ConfigMaps of a run's namespace as the drivers ask for them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from interact_api.conditions import Reason
from interact_api.plain import mapping
from interact_api.problem import Problem

from interact_controller import errors
from interact_controller.external.driver import ExternalError, Refused
from interact_controller.external.drivers.jobs_api import NEVER, Requests, understood


class Maps:
    """ConfigMaps by namespace and name."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def find(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A ConfigMap, or nothing."""
        async with understood():
            try:
                told = await self._api.request("GET", _path(namespace, name))
            except errors.Refused as error:
                if error.status == 404:
                    return None
                raise
            return mapping(msgspec.json.decode(told))

    async def make(self, manifest: Mapping[str, Any]) -> None:
        """Create one; the one that is there stays.

        Raises:
            Refused: If it will never be taken.
            ExternalError: If it is not known to be there.
        """
        try:
            await self._api.request(
                "POST", _path(str(manifest["metadata"]["namespace"]), ""), dict(manifest)
            )
        except errors.Conflict:
            return
        except errors.Refused as error:
            if error.status in NEVER:
                raise Refused(Problem("spec", Reason.INVALID_SPEC, str(error)[:1000])) from error
            raise ExternalError(f"Kubernetes makes no ConfigMap: {error}"[:1000]) from error
        except errors.ClusterError as error:
            raise ExternalError(str(error)[:1000]) from error

    async def change(self, found: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        """Merge a change into one if it is still the version that was read.

        Raises:
            ExternalError: If it is another, or the change was not taken.
        """
        about = mapping(found["metadata"])
        meta = {**mapping(change.get("metadata")), "resourceVersion": about["resourceVersion"]}
        async with understood():
            await self._api.request(
                "PATCH", _path(str(about["namespace"]), str(about["name"])),
                {**change, "metadata": meta}, content="application/merge-patch+json",
            )  # fmt: skip

    async def remove(self, found: Mapping[str, Any]) -> None:
        """Delete the one that was read, and no other of its name."""
        about = mapping(found["metadata"])
        async with understood():
            try:
                await self._api.request(
                    "DELETE", _path(str(about["namespace"]), str(about["name"])),
                    {"preconditions": {"uid": about["uid"]}},
                )  # fmt: skip
            except errors.Refused as error:
                if error.status != 404:
                    raise


def _path(namespace: str, name: str) -> str:
    where = f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps"
    return f"{where}/{quote(name, safe='')}" if name else where
