"""The controller's own namespace as external runs need it: ConfigMaps of claims, and credentials."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from interact_api.plain import entries, mapping

from interact_controller.errors import Conflict, Refused
from interact_controller.kube import PAGE, Api
from interact_controller.seen import Manifest

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class ReleaseShelf:
    """A `Shelf` of claims in the release namespace.

    Args:
        api: The API server.
        namespace: The controller's own.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self._root = f"/api/v1/namespaces/{namespace}"

    async def pages(self, labels: str) -> AsyncIterator[list[Manifest]]:
        """All ConfigMaps with these labels, some hundreds at a time."""
        query = {"limit": str(PAGE), "labelSelector": labels}
        while True:
            told = _decode(await self._api.request("GET", f"{self._root}/configmaps", **query))
            yield [{"apiVersion": "v1", "kind": "ConfigMap", **mapping(one)}
                   for one in entries(told.get("items"))]  # fmt: skip
            query["continue"] = str(mapping(told.get("metadata")).get("continue") or "")
            if not query["continue"]:
                return

    async def make(self, manifest: Manifest) -> Manifest:
        """Make one."""
        return _decode(await self._api.request("POST", f"{self._root}/configmaps", manifest))

    async def read(self, name: str) -> Manifest | None:
        """One as it is on the server."""
        try:
            return _decode(await self._api.request("GET", f"{self._root}/configmaps/{name}"))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace one if it is still the version in its metadata; one that is gone is a conflict."""
        name = mapping(manifest["metadata"])["name"]
        try:
            told = await self._api.request("PUT", f"{self._root}/configmaps/{name}", manifest)
        except Refused as error:
            if error.status == 404:
                raise Conflict(f"ConfigMap {self.namespace}/{name} is gone", 409) from error
            raise
        return _decode(told)

    async def remove(self, name: str, uid: str) -> None:
        """Delete one if it is still this one; gone already is fine."""
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            await self._api.request("DELETE", f"{self._root}/configmaps/{name}", body)
        except Conflict:
            return
        except Refused as error:
            if error.status != 404:
                raise

    async def secret(self, name: str) -> Mapping[str, bytes] | None:
        """What a Secret of the release namespace holds; None if it is not there."""
        try:
            told = _decode(await self._api.request("GET", f"{self._root}/secrets/{name}"))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        try:
            held = mapping(told.get("data")).items()
            return {key: base64.b64decode(str(value), validate=True) for key, value in held}
        except binascii.Error as error:
            words = f"Secret {self.namespace}/{name} is not base64"
            raise Refused(words, 422) from error
