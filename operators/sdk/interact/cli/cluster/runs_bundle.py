"""The evidence of an external run as one tar file, the same bytes each time it is written.

Files are in the order of their names, with fixed times and owners, their JSON with sorted keys. Left
out is what the API server changes by itself, for example the resource version. ``manifest.json``
has the SHA-256 of each file, and of each artifact, which stays where it is.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any, Final

from interact_api.model import API_VERSION, GROUP
from interact_api.plain import entries, mapping

from interact.cli.cluster.api import Object

MANIFEST: Final = "manifest.json"
SCHEMA_VERSION: Final = 1
_IDENTITY: Final = ("name", "namespace", "uid", "creationTimestamp", "labels")


def files(run: Object, answers: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a run's evidence by name, the manifest among them.

    Args:
        run: The ExternalRun.
        answers: What people answered, as they wrote it, by the name of the file.
    """
    status = mapping(run.get("status"))
    found = {
        "run.json": _json(_run(run)),
        "status.json": _json(status),
        "results.json": _json(mapping(status.get("results"))),
        "artifacts.json": _json(_by_name(entries(status.get("artifacts")))),
        **{f"answers/{name}": text.encode() for name, text in answers.items()},
    }
    return {**found, MANIFEST: _json(_manifest(run, found))}


def tar(name: str, contents: Mapping[str, bytes]) -> bytes:
    """Files as a tar file, below a folder of this name."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(contents):
            entry = tarfile.TarInfo(f"{name}/{path}")  # its time, owner and group are 0
            entry.size = len(contents[path])
            archive.addfile(entry, io.BytesIO(contents[path]))
    return made.getvalue()


def _run(run: Object) -> Object:
    about = mapping(run["metadata"])
    kept: Object = {key: about[key] for key in _IDENTITY if key in about}
    ours = {
        key: one for key, one in mapping(about.get("annotations")).items() if key.startswith(GROUP)
    }
    metadata = {**kept, "annotations": ours} if ours else kept
    return {"apiVersion": API_VERSION, "kind": "ExternalRun", "metadata": metadata, "spec": mapping(run.get("spec"))}  # fmt: skip


def _manifest(run: Object, contents: Mapping[str, bytes]) -> Object:
    about, status = mapping(run["metadata"]), mapping(run.get("status"))
    keys = ("phase", "reason", "attempt", "driver", "system", "externalId", "idempotencyKey")
    return {
        "schemaVersion": SCHEMA_VERSION,
        "run": {key: about.get(key) for key in ("namespace", "name", "uid")},
        **{key: status.get(key) for key in (*keys, "startTime", "completionTime")},
        "files": [
            {"path": path, "bytes": len(contents[path]), "sha256": digest(contents[path])}
            for path in sorted(contents)
        ],
        "artifacts": _by_name(entries(status.get("artifacts"))),
    }


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _by_name(artifacts: list[Any]) -> list[Any]:
    return sorted(artifacts, key=lambda one: str(one.get("name")))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
