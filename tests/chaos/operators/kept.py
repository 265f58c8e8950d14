"""A sink: it appends a line for each frame it is given, and keeps the last picture."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from interact import Image, Param, Values, operator

LINE = np.dtype(
    [("scan", "<i8"), ("index", "<i8"), ("total", "<i8"), ("light", "<f8"), ("gain", "<f8"),
     ("shift", "<f8"), ("revision", "<i8"), ("message", "<i8"), ("pid", "<i8")]
)  # fmt: skip


@operator(name="kept")
def kept(part: Values | Image, *, folder: str = Param(), pause: float = Param(0.0)) -> None:
    """Write down what comes."""
    if isinstance(part, Image):
        _keep(part, Path(folder))
        return
    if pause:
        threading.Event().wait(pause)
    lines = np.zeros(len(part), LINE)
    lines["scan"], lines["index"] = _ordinal(part), part.index
    lines["revision"], lines["message"], lines["pid"] = part.revision, part.start, os.getpid()
    for name in ("total", "light", "gain", "shift"):
        if name in part.columns:
            lines[name] = part.columns[name]
    file = Path(folder) / "kept"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, lines.tobytes())
    finally:
        os.close(descriptor)


def _keep(picture: Image, folder: Path) -> None:
    name = f"picture-{_ordinal(picture)}"
    facts = {"completeness": picture.completeness, "missing": dict(picture.missing),
             "final": picture.final, "light": picture.attributes["light"]}  # fmt: skip
    for suffix, write in (
        (".npz", lambda path: np.savez(path, **dict[str, Any](picture.channels))),
        (".json", lambda path: path.write_text(json.dumps(facts))),
    ):
        fresh = folder / f"{name}.new{suffix}"
        write(fresh)
        fresh.replace(folder / f"{name}{suffix}")


def _ordinal(part: Values | Image) -> int:
    return int(part.scan.id.rpartition("-")[2])
