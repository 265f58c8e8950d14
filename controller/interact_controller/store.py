"""The objects of the cluster as last heard of: small, indexed, and never going back in time."""

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from interact_api.lifecycle import RunPhase
from interact_api.plain import entries, mapping

from interact_controller import labels
from interact_controller.seen import Key, Kind, Manifest

_POD_STATUS: Final = ("phase", "conditions", "containerStatuses")
_UNREAD: Final = "kubectl.kubernetes.io/last-applied-configuration"
_WHOLE: Final = frozenset({Kind.OPERATOR, Kind.EXTERNAL_SYSTEM})
"""Few and read often. Others are kept as compressed JSON, a tenth of the memory of objects."""
_QUICK: Final = 1
"""zlib's quickest level."""
_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Manifest] = msgspec.json.Decoder(dict[str, Any]).decode

Place = tuple[Kind, str, str]
"""Kind, namespace, and the pipeline in the label."""


class Objects:
    """The Store port, and the ways to feed it.

    Objects that come out must not be changed. ``newer`` asks whether one resource version is later
    than another: they count up (Kubernetes API concepts: resource versions, comparable since 1.35).
    """

    def __init__(self) -> None:
        self._kept: dict[Key, bytes | Manifest] = {}
        self._about: dict[Key, tuple[str, int, Place]] = {}
        self._places: dict[Place, set[Key]] = {}
        self._kinds: dict[Kind, dict[Key, None]] = {kind: {} for kind in Kind}
        self._gone: dict[str, int] = {}
        self._phases: dict[Key, tuple[str, str]] = {}
        self._uses: dict[Key, frozenset[Key]] = {}
        self._users: dict[Key, set[Key]] = {}

    # -- reading ------------------------------------------------------------------------------

    def get(self, key: Key) -> Manifest | None:
        """One object."""
        kept = self._kept.get(key)
        return _decode(zlib.decompress(kept)) if isinstance(kept, bytes) else kept

    def of_pipeline(self, kind: Kind, namespace: str, pipeline: str) -> Sequence[Manifest]:
        """Children that carry the pipeline's label, ours or not, by name."""
        found = self._places.get((kind, namespace, pipeline), set())
        return self._read(sorted(found, key=lambda key: key.name))

    def all(self, kind: Kind) -> Sequence[Manifest]:
        """All objects of a kind."""
        return self._read(self._kinds[kind])

    def keys(self, kind: Kind) -> Sequence[Key]:
        """The keys of a kind."""
        return tuple(self._kinds[kind])

    def version(self, key: Key) -> tuple[str, int] | None:
        """The uid and the resource version of an object."""
        about = self._about.get(key)
        return about[:2] if about is not None else None

    def revision(self, key: Key) -> tuple[str, int]:
        """The uid of an InteractOperator, and how often its specification changed."""
        kept = self._kept.get(key)
        if kept is None or isinstance(kept, bytes):
            return "", 0
        found = mapping(kept["metadata"]).get("generation", 0)
        return self._about[key][0], found if isinstance(found, int) else 0

    def pipeline_of(self, key: Key) -> str:
        """The pipeline in an object's label; empty without one."""
        about = self._about.get(key)
        return about[2][2] if about is not None else ""

    def uses(self, pipeline: Key) -> frozenset[Key]:
        """The operators a pipeline names; none for anything else."""
        return self._uses.get(pipeline, frozenset())

    def users(self, operator: Key) -> Collection[Key]:
        """The pipelines that name an operator."""
        return self._users.get(operator, ())

    def phases(self, namespace: str, pipeline: str) -> Sequence[tuple[str, str]]:
        """Operator and phase of each external run that carries a pipeline's label."""
        found = self._places.get((Kind.EXTERNAL_RUN, namespace, pipeline), set())
        return [self._phases[key] for key in found if key in self._phases]

    def phase(self, key: Key) -> str:
        """The phase of such a run; empty for anything else."""
        return self._phases.get(key, ("", ""))[1]

    def _read(self, keys: Iterable[Key]) -> Sequence[Manifest]:
        return tuple(found for key in keys if (found := self.get(key)) is not None)

    # -- feeding ------------------------------------------------------------------------------

    def put(self, manifest: Manifest) -> Key | None:
        """Keep an object unless a newer one is kept; its key if that changed something."""
        key, about = key_of(manifest), mapping(manifest["metadata"])
        uid, version = str(about.get("uid", "")), version_of(manifest)
        if version <= self._gone.get(uid, -1):
            return None
        before = self._about.get(key)
        if before is not None and before[1] >= version:
            return None
        place = (
            key.kind,
            key.namespace,
            str(mapping(about.get("labels")).get(labels.PIPELINE, "")),
        )
        if before is not None:
            self._leave(before[2], key)
        self._places.setdefault(place, set()).add(key)
        trimmed = trim(key.kind, manifest)
        whole = key.kind in _WHOLE
        self._kept[key] = trimmed if whole else zlib.compress(_encode(trimmed), _QUICK)
        self._about[key] = (uid, version, place)
        self._kinds[key.kind][key] = None
        if key.kind is Kind.PIPELINE:
            self._refer(key, references(manifest))
        if key.kind is Kind.EXTERNAL_RUN and place[2]:
            operator = str(mapping(about.get("labels")).get(labels.OPERATOR, ""))
            phase = str(mapping(manifest.get("status")).get("phase") or RunPhase.CREATED)
            self._phases[key] = operator, phase
        return key

    def drop(self, key: Key, *, uid: str = "", version: int = 0) -> bool:
        """Forget an object that is gone; whether it was there.

        Args:
            key: The object.
            uid: Of the one that is gone; another of the same name stays.
            version: At which it went: what is older is not taken any more.
        """
        if uid and version:
            self._gone[uid] = max(version, self._gone.get(uid, 0))
            while len(self._gone) > _MOST_GONE:
                del self._gone[next(iter(self._gone))]
        before = self._about.get(key)
        if before is None or (uid and before[0] != uid):
            return False
        del self._about[key], self._kept[key], self._kinds[key.kind][key]
        self._phases.pop(key, None)
        self._refer(key, frozenset())
        self._leave(before[2], key)
        return True

    def _refer(self, pipeline: Key, now: frozenset[Key]) -> None:
        before = self._uses.pop(pipeline, frozenset())
        if now:
            self._uses[pipeline] = now
        for operator in before - now:
            self._users[operator].discard(pipeline)
            if not self._users[operator]:
                del self._users[operator]
        for operator in now - before:
            self._users.setdefault(operator, set()).add(pipeline)

    def _leave(self, place: Place, key: Key) -> None:
        members = self._places[place]
        members.discard(key)
        if not members:
            del self._places[place]


_MOST_GONE: Final = 4096
"""Deleted objects whose late news are still recognised."""


def references(pipeline: Manifest) -> frozenset[Key]:
    """The operators a pipeline names.

    >>> references({"metadata": {"namespace": "lab"},
    ...             "spec": {"operators": [{"operatorRef": {"name": "sum"}}]}})
    frozenset({Key(kind=<Kind.OPERATOR: 'InteractOperator'>, namespace='lab', name='sum')})
    """
    home = mapping(pipeline.get("metadata")).get("namespace", "")
    placed: Iterable[object] = entries(mapping(pipeline.get("spec")).get("operators"))
    refs = [mapping(mapping(one).get("operatorRef")) for one in placed]
    return frozenset(
        Key(Kind.OPERATOR, str(ref.get("namespace") or home), str(ref.get("name"))) for ref in refs
    )


def key_of(manifest: Manifest) -> Key:
    """What an object is found by."""
    about = mapping(manifest["metadata"])
    return Key(Kind(str(manifest["kind"])), str(about.get("namespace", "")), str(about["name"]))


def version_of(manifest: Manifest) -> int:
    """An object's resource version as a number."""
    found = str(mapping(manifest["metadata"]).get("resourceVersion", ""))
    return int(found) if found.isdecimal() else 0


def trim(kind: Kind, manifest: Manifest) -> Manifest:
    """An object without what nobody reads of it.

    >>> trim(Kind.POD, {"metadata": {"name": "a", "managedFields": []}, "spec": {"nodeName": "n"}})
    {'metadata': {'name': 'a'}, 'status': {}}
    """
    about = {
        key: value for key, value in mapping(manifest["metadata"]).items() if key != "managedFields"
    }
    if kind is Kind.POD:
        status = mapping(manifest.get("status"))
        told: Manifest = {key: status[key] for key in _POD_STATUS if key in status}
        small: Manifest = {"metadata": about, "status": told}
        return {key: manifest[key] for key in ("apiVersion", "kind") if key in manifest} | small
    if _UNREAD in mapping(about.get("annotations")):
        kept = mapping(about["annotations"])
        about["annotations"] = {key: value for key, value in kept.items() if key != _UNREAD}
    return {**manifest, "metadata": about}
