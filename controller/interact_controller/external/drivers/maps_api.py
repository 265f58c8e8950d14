"""ConfigMaps of a run's namespace as the drivers ask for them."""

from collections.abc import Mapping
from typing import Any

from interact_api.conditions import Reason
from interact_api.plain import entries, mapping
from interact_api.problem import Problem

from interact_controller import errors
from interact_controller.external.driver import ExternalError, Refused
from interact_controller.external.drivers.objects import Objects, Requests, making, understood


class Maps(Objects):
    """ConfigMaps by namespace and name."""

    def __init__(self, api: Requests) -> None:
        super().__init__(api, "/api/v1", "configmaps")

    async def make(self, manifest: Mapping[str, Any]) -> None:
        """Create one; the one that is there stays.

        Raises:
            Refused: If it will never be taken.
            ExternalError: If it is not known to be there.
        """
        where = self._path(str(manifest["metadata"]["namespace"]))
        try:
            with making("ConfigMap"):
                await self._api.request("POST", where, dict(manifest))
        except errors.Conflict:
            return
        except errors.ClusterError as error:
            raise ExternalError(str(error)[:1000]) from error

    async def own(self, manifest: Mapping[str, Any], owner: str) -> None:
        """Create one; the one that is there stays if the object with this uid owns it.

        Raises:
            Refused: If it will never be taken, or another of its name is there.
            ExternalError: If it is not known to be there.
        """
        await self.make(manifest)
        about = mapping(manifest["metadata"])
        namespace, name = str(about["namespace"]), str(about["name"])
        found = await self.find(namespace, name)
        if found is None:
            raise ExternalError(f"ConfigMap {namespace}/{name} comes and goes")
        owners = entries(mapping(found["metadata"]).get("ownerReferences"))
        if owner not in {mapping(one).get("uid") for one in owners}:
            message = f"there is a ConfigMap {namespace}/{name} that is not ours; remove it"
            raise Refused(Problem("", Reason.NAME_TAKEN, message))

    async def change(self, found: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        """Merge a change into one if it is still the version that was read.

        Raises:
            ExternalError: If it is another, or the change was not taken.
        """
        about = mapping(found["metadata"])
        meta = {**mapping(change.get("metadata")), "resourceVersion": about["resourceVersion"]}
        async with understood():
            await self._api.request(
                "PATCH", self._path(str(about["namespace"]), str(about["name"])),
                {**change, "metadata": meta}, content="application/merge-patch+json",
            )  # fmt: skip

    async def remove(self, found: Mapping[str, Any]) -> None:
        """Delete the one that was read, and no other of its name."""
        about = mapping(found["metadata"])
        body = {"preconditions": {"uid": about["uid"]}}
        async with understood():
            await self._delete(str(about["namespace"]), str(about["name"]), body)
