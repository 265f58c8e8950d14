"""Reading and changing objects of ours on a cluster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from interact_api.model import API_VERSION
from interact_api.plain import entries, mapping
from interact_api.problem import listed

from interact.cli.cluster import kinds
from interact.cli.cluster.api import JSON, JSON_PATCH, MERGE_PATCH, TABLE, Api, ApiError, Object
from interact.cli.cluster.kinds import Kind
from interact.cli.cluster.refusals import refusal
from interact.cli.exits import CommandError, Exit

FIELD_MANAGER: Final = "interact-cli"
"""Who owns the fields these commands change, in managedFields."""
_OUTDATED: Final = {409, 422}
"""A conflict; or edits whose path is gone, which is told before versions are compared."""
_TRIES: Final = 20
"""Each lost try is a change of somebody else; nobody makes twenty in a row."""


@dataclass(frozen=True)
class Place:
    """An API server and a namespace of it; all of them when ``namespace`` is empty."""

    api: Api
    namespace: str

    @property
    def words(self) -> str:
        """The namespace, for people."""
        return f"namespace {self.namespace!r}" if self.namespace else "any namespace"

    def what(self, kind: Kind, name: str) -> str:
        """An object, for people."""
        return f"{kind.singular} {name!r} in {self.words}"


def read(place: Place, kind: Kind, name: str) -> Object:
    """One object.

    Raises:
        CommandError: If it cannot be read; where there is none, names those there are.
    """
    try:
        return place.api.request("GET", kind.path(place.namespace, name))
    except ApiError as error:
        if error.code == 404 and error.kind_is_known:
            raise absent(place, kind, name) from error
        raise refusal(error, place.what(kind, name)) from error


def absent(place: Place, kind: Kind, name: str) -> CommandError:
    """The error for an object that is not there; names those that are."""
    try:
        found = [str(one["metadata"]["name"]) for one in read_all(place, kind)]
    except CommandError:
        found = []
    known = f"there are {listed(found)}" if found else "-n NAMESPACE looks in another one"
    return CommandError(Exit.NOT_FOUND, f"there is no {place.what(kind, name)}; {known}")


def read_all(place: Place, kind: Kind, selector: str = "") -> list[Object]:
    """All objects of a kind that a label selector takes.

    Raises:
        CommandError: If they cannot be read.
    """
    return read_list(place, kind, selector)[0]


def read_list(place: Place, kind: Kind, selector: str = "") -> tuple[list[Object], str]:
    """The same, and the version of the list, from which a watch may go on.

    Raises:
        CommandError: If they cannot be read.
    """
    found = _listed(place, kind, _selected(selector), JSON)
    typed = {"apiVersion": API_VERSION, "kind": kind.name}
    version = str(mapping(found.get("metadata")).get("resourceVersion", ""))
    return [typed | one for one in entries(found.get("items"))], version


def read_table(place: Place, kind: Kind, selector: str = "") -> Object:
    """The same as the server's table, with the columns it prints.

    Raises:
        CommandError: If they cannot be read.
    """
    return _listed(place, kind, {"includeObject": "Metadata", **_selected(selector)}, TABLE)


def _selected(selector: str) -> dict[str, str]:
    return {"labelSelector": selector} if selector else {}


def _listed(place: Place, kind: Kind, query: dict[str, str], accept: str) -> Object:
    try:
        return place.api.request("GET", kind.path(place.namespace), query=query, accept=accept)
    except ApiError as error:
        raise refusal(error, f"{kind.plural} in {place.words}") from error


def core(place: Place, plural: str, query: Mapping[str, str] | None = None) -> list[Object]:
    """Objects of Kubernetes' own: pods, events, services.

    Raises:
        CommandError: If they cannot be read.
    """
    within = f"/namespaces/{place.namespace}" if place.namespace else ""
    try:
        found = place.api.request("GET", f"/api/v1{within}/{plural}", query=query)
    except ApiError as error:
        raise refusal(error, f"{plural} in {place.words}") from error
    return entries(found.get("items"))


def merge(place: Place, kind: Kind, name: str, change: Object) -> Object:
    """Change the fields that are given, whatever else somebody changes meanwhile.

    Raises:
        CommandError: If the server refuses.
    """
    return _patch(place, kind, name, change, MERGE_PATCH)


def create(place: Place, kind: Kind, body: Object) -> Object | None:
    """Make an object; None if there is one of its name.

    Raises:
        CommandError: If the server refuses.
    """
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    try:
        return place.api.request("POST", kind.path(place.namespace), query=query, body=body)
    except ApiError as error:
        if error.code == 409:
            return None
        raise refusal(error, place.what(kind, str(body["metadata"]["name"]))) from error


def edit(place: Place, kind: Kind, name: str, edits: Callable[[Object], list[Object]]) -> Object:
    """Apply edits (RFC 6902) to the object they were made for.

    That is exactly the version they were made from; or, where they begin with a ``test``, any of
    which their tests hold. So many people at once do not hold each other up.

    Args:
        place: Where.
        kind: The kind.
        name: The object's name.
        edits: Makes the edits from the object; asked again if it changed meanwhile. None leave
            it as it is.

    Raises:
        CommandError: If the server refuses, or the object changes all the time.
    """
    present = read(place, kind, name)
    for left in reversed(range(_TRIES)):
        wanted = edits(present)
        if not wanted:
            return present
        try:
            return _sent(place, kind, name, [*_stamp(present, wanted), *wanted], JSON_PATCH)
        except ApiError as error:
            if error.code not in _OUTDATED or not left:
                raise refusal(error, place.what(kind, name)) from error
            before, present = present, read(place, kind, name)
            if _version(present) == _version(before):
                raise refusal(error, place.what(kind, name)) from error
    raise AssertionError("the last try returns or raises")


def _stamp(found: Object, edits: list[Object]) -> list[Object]:
    """What lets edits hold for one version only; nothing where they say themselves when they hold."""
    if edits[0]["op"] == "test":
        return []
    version = {"path": "/metadata/resourceVersion", "value": _version(found)}
    return [{"op": "replace", **version}]


def _version(found: Object) -> str:
    return str(mapping(found["metadata"]).get("resourceVersion"))


def remove(place: Place, kind: Kind, name: str, uid: str) -> None:
    """Delete exactly the object with this uid, its children after it; gone already is fine.

    Raises:
        CommandError: If the server refuses.
    """
    options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    try:
        place.api.request("DELETE", kind.path(place.namespace, name), body=options)
    except ApiError as error:
        if error.code != 404:
            raise refusal(error, place.what(kind, name)) from error


def _patch(place: Place, kind: Kind, name: str, body: Any, content_type: str) -> Object:
    try:
        return _sent(place, kind, name, body, content_type)
    except ApiError as error:
        if error.code == 404 and error.kind_is_known:
            raise absent(place, kind, name) from error
        raise refusal(error, place.what(kind, name)) from error


def _sent(place: Place, kind: Kind, name: str, body: Any, content_type: str) -> Object:
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    path = kind.path(place.namespace, kinds.named(name))
    return place.api.request("PATCH", path, query=query, body=body, content_type=content_type)
