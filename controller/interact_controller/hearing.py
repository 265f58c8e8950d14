"""What is heard of the cluster goes into the store, and wakes whom it is about."""

import dataclasses
from collections.abc import Callable
from typing import Final, Protocol

from interact_api.plain import entries, mapping

from interact_controller import children, labels
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects, key_of

OPERATOR_SECONDS: Final = 1.0
"""How long news about the use of an operator are gathered: each look counts all pipelines."""
CHILD_SECONDS: Final = 0.5
"""How long news about Deployments and pods are gathered: they come in bursts."""
_CHILDREN: Final = frozenset({Kind.DEPLOYMENT, Kind.POD})
_EXTERNAL: Final = frozenset({Kind.EXTERNAL_RUN, Kind.EXTERNAL_SYSTEM})
_NOISE: Final = "deployment.kubernetes.io/"
"""What annotations begin with that Kubernetes' own controllers keep."""


class Wakes(Protocol):
    """Whom to wake."""

    def wake(self, key: Key) -> None:
        """Look at a key as soon as may be."""
        ...

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a key in some seconds."""
        ...


@dataclasses.dataclass(frozen=True)
class Hearing:
    """Takes news of objects, whoever brings them.

    Args:
        objects: The store.
        queue: Whom to wake.
        beat: Called with each piece of news.
    """

    objects: Objects
    queue: Wakes
    beat: Callable[[], None]

    def heard(self, manifest: Manifest) -> None:
        """An object is there, or is another than before."""
        self.beat()
        key = key_of(manifest)
        before = self.objects.revision(key)
        former, used = self.objects.pipeline_of(key), self.objects.uses(key)
        known = self.objects.get(key) if key.kind in _CHILDREN else None
        if self.objects.put(manifest) is None:
            return
        if key.kind is Kind.PIPELINE:
            self._refer(used, self.objects.uses(key))
        elif key.kind is Kind.OPERATOR and before == self.objects.revision(key):
            self.queue.wake(key)  # only its status, which is ours
            return
        elif key.kind in _CHILDREN:
            if known is not None and gist(known) == gist(manifest):
                return  # Kubernetes' own controllers at work
            self._wake_pipelines(key, former, owner(manifest))
        self._wake(key)

    def gone(self, key: Key, uid: str, version: int = 0) -> None:
        """An object is there no more."""
        self.beat()
        former, used = self.objects.pipeline_of(key), self.objects.uses(key)
        kept = self.objects.version(key)
        if not self.objects.drop(key, uid=uid, version=version or (kept[1] if kept else 0)):
            return
        if key.kind is Kind.PIPELINE:
            self._refer(used, frozenset())
        elif key.kind in _CHILDREN:
            self._wake_pipelines(key, former)
            return
        elif key.kind is Kind.EXTERNAL_RUN:
            self._wake_pipelines(key, former)
        self._wake(key)

    def took(self, manifest: Manifest) -> None:
        """What we asked for ourselves: nobody is to be woken by it."""
        about = mapping(manifest["metadata"])
        child = manifest["kind"] in _CHILDREN
        if child and labels.PIPELINE not in mapping(about.get("labels")):
            return  # no watch would tell when it goes
        key = key_of(manifest)
        phase, used = self.objects.phase(key), self.objects.uses(key)
        if self.objects.put(manifest) is None:
            return
        if key.kind is Kind.PIPELINE:
            self._refer(used, self.objects.uses(key))
        elif phase != self.objects.phase(key):  # the pipeline's status counts its runs
            self._wake_pipelines(key, self.objects.pipeline_of(key))

    def all(self) -> None:
        """Wake everything there is."""
        for kind in (Kind.PIPELINE, Kind.OPERATOR):
            for key in self.objects.keys(kind):
                self.queue.wake(key)

    def _wake(self, key: Key) -> None:
        if key.kind is Kind.OPERATOR:
            self.queue.wake(key)
            for pipeline in sorted(self.objects.users(key)):
                self.queue.wake(pipeline)
        elif key.kind is Kind.PIPELINE or key.kind in _EXTERNAL:
            self.queue.wake(key)
            if key.kind is Kind.EXTERNAL_RUN:
                self._wake_pipelines(key, self.objects.pipeline_of(key))
        else:
            self._wake_pipelines(key, self.objects.pipeline_of(key))

    def _wake_pipelines(self, key: Key, *names: str) -> None:
        for name in filter(None, names):
            self.queue.wake_after(Key(Kind.PIPELINE, key.namespace, name), CHILD_SECONDS)

    def _refer(self, before: frozenset[Key], now: frozenset[Key]) -> None:
        """Operators that a pipeline began or ceased to use are told, later."""
        for operator in before ^ now:
            if self.objects.version(operator) is not None:
                self.queue.wake_after(operator, OPERATOR_SECONDS)


def gist(child: Manifest) -> object:
    """What a look makes of a Deployment or a pod: news that leave it alike need no look.

    A specification that changed has another generation.
    """
    about = mapping(child["metadata"])
    notes = mapping(about.get("annotations")).items()
    kept = {
        "notes": {key: value for key, value in notes if not key.startswith(_NOISE)},
        **{
            key: about.get(key)
            for key in ("uid", "generation", "labels", "ownerReferences", "deletionTimestamp")
        },
    }
    if child["kind"] == Kind.POD:
        return kept, children.over(child), children.pod(child)
    seen = children.workload(child, "")
    return kept, seen.ready, seen.pods, seen.settled, seen.trouble


def owner(manifest: Manifest) -> str:
    """The Pipeline that controls an object; empty if none does."""
    for one in map(mapping, entries(mapping(manifest["metadata"]).get("ownerReferences"))):
        if one.get("controller") and one.get("kind") == Kind.PIPELINE:
            return str(one.get("name", ""))
    return ""
