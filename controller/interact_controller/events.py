"""Events about objects: posted when something happens, counted up when it happens again."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from interact_api.plain import mapping

from interact_controller.errors import ClusterError, Refused
from interact_controller.kube import PAGE, Api, Kubernetes
from interact_controller.seen import Key, Manifest

logger = logging.getLogger(__name__)

MOST: Final = 2048
"""Events that are remembered, to be counted up."""
LONGEST: Final = 1024
"""Characters of a message; the API server refuses more."""
COMPONENT: Final = "interact-controller"


class Teller(Kubernetes):
    """The Cluster port with events.

    An event that cannot be posted is logged and no more: nothing depends on events.
    """

    def __init__(
        self,
        api: Api,
        took: Callable[[Manifest], object],
        gone: Callable[[Key, str], object],
        *,
        instance: str,
        page: int = PAGE,
    ) -> None:
        super().__init__(api, took, gone, page)
        self._instance = instance
        self._told: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Post an event about an object; the same one again counts up."""
        named = mapping(about["metadata"])
        uid = str(named.get("uid", ""))
        identity = (uid, reason, message)
        where = f"/api/v1/namespaces/{named.get('namespace')}/events"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            name, count = self._told.get(identity, ("", 0))
            if not name or not await self._again(f"{where}/{name}", count + 1, now):
                name, count = f"{named.get('name')}.{uuid4().hex[:16]}", 0
                body = self._event(about, name, now)
                body |= {"type": "Warning" if warning else "Normal", "reason": reason}
                body["message"] = message[:LONGEST]
                await self._api.request("POST", where, body)
        except ClusterError as error:
            logger.info("an event was not posted", extra={"reason": reason, "error": str(error)})
            return
        self._told[identity] = (name, count + 1)
        self._told.move_to_end(identity)
        while len(self._told) > MOST:
            self._told.popitem(last=False)

    async def _again(self, where: str, count: int, now: str) -> bool:
        """Count an event up; False if the server has forgotten it."""
        body = {"count": count, "lastTimestamp": now}
        try:
            await self._api.request("PATCH", where, body, content="application/merge-patch+json")
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def _event(self, about: Manifest, name: str, now: str) -> dict[str, Any]:
        named = mapping(about["metadata"])
        return {
            "metadata": {"name": name, "namespace": named.get("namespace")},
            "involvedObject": {
                "apiVersion": about.get("apiVersion"),
                "kind": about.get("kind"),
                "name": named.get("name"),
                "namespace": named.get("namespace"),
                "uid": named.get("uid"),
                "resourceVersion": named.get("resourceVersion"),
            },
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance[:128],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
