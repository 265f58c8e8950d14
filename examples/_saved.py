"""Pictures that ``interact run --images`` saved, read back with everything they say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from interact import Axis, Calibration, Image, Scan


class MissingPictureError(Exception):
    """A picture that the run should have left is not there or not whole."""


ENDINGS = ("png", "npz", "json")


def forget(folder: Path, names: Iterable[str]) -> None:
    """Remove what an earlier run saved under these names, so that it cannot pass for this one's."""
    for name in names:
        for ending in ENDINGS:
            (folder / f"{name}.{ending}").unlink(missing_ok=True)


def saved(folder: Path, name: str) -> Image:
    """The last picture of an operator, from its .npz and .json.

    Args:
        folder: Where the run saved its pictures.
        name: Name of the operator that made it.

    Raises:
        MissingPictureError: If one of the files is missing.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz") as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise MissingPictureError(
            f"the run left no {name} in {folder}: {error.filename} is missing"
        ) from error
    scan = _scan(facts["scan"])
    listed = len(scan.shape) == 1
    return Image(
        scan=scan,
        start=0,
        stop=scan.total if facts["final"] else 0,
        channels={key: arrays[key] for key in facts["channels"]},
        units=facts["units"],
        axes=tuple(Axis(**axis) for axis in facts["axes"]),
        completeness=facts["completeness"],
        missing=facts["missing"],
        attributes={"title": facts["title"], **facts["attributes"]},
        y=_coordinate(arrays, "y", facts["channels"]) if listed else None,
        x=_coordinate(arrays, "x", facts["channels"]) if listed else None,
    )


def _scan(facts: dict[str, Any]) -> Scan:
    known = facts["calibration"]
    pairs = {key: known[key] and tuple(known[key]) for key in ("step", "pixel")}
    return Scan(
        facts["id"],
        tuple(facts["shape"]),
        frames_per_position=facts["frames_per_position"],
        order=facts["order"],
        flyback=facts["flyback"],
        offset=facts["offset"],
        calibration=Calibration(**{**known, **pairs}),
        title=facts["title"],
    )


def _coordinate(arrays: dict[str, Any], axis: str, channels: list[str]) -> Any:
    """The coordinates of a list; under another name where a channel has theirs."""
    return arrays.get(f"position_{axis}" if axis in channels else axis)
