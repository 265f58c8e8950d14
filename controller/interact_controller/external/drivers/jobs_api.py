"""Jobs and their pods as the drivers ask for them."""

from typing import Any, Final
from urllib.parse import quote

import msgspec
from interact_api.plain import entries, mapping

from interact_controller import errors
from interact_controller.external.driver import Ambiguous, ExternalError
from interact_controller.external.drivers.objects import Objects, Requests, making, understood
from interact_controller.external.drivers.pods import KEY_LABEL

MOST: Final = 100
"""Objects of one run that are looked at."""


class Jobs(Objects):
    """Jobs by namespace and name."""

    def __init__(self, api: Requests) -> None:
        super().__init__(api, "/apis/batch/v1", "jobs")

    async def make(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create a Job; the one that is there if its name is taken.

        Raises:
            Refused: If it will never be taken.
            Ambiguous: If it may have been made.
            ExternalError: If it was not.
        """
        about = manifest["metadata"]
        try:
            with making("Job"):
                told = await self._api.request("POST", self._path(about["namespace"]), manifest)
        except errors.Conflict:
            found = await self.find(about["namespace"], about["name"])
            if found is None:
                raise ExternalError(
                    f"Job {about['name']} comes and goes; it is made again"
                ) from None
            return found
        except errors.ClusterError as error:
            raise Ambiguous(str(error)) from error
        return mapping(msgspec.json.decode(told))

    async def of_key(self, namespace: str, key: str) -> list[dict[str, Any]]:
        """The Jobs with a run's key, the last made first; none in a namespace that is gone."""
        return await self._of_key(self._path(namespace), key)

    async def remove(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job once its pods are gone; another of its name stays."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Foreground"}
        async with understood():
            try:
                await self._delete(namespace, name, body)
            except errors.Conflict:
                return

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
