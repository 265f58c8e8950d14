"""The last picture of each name, from NATS to files."""

import dataclasses
import io
import json
import re
import secrets
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from interact_api.board import scan_state
from interact_api.wire import WireError

from interact import _codec, _png
from interact._batches import Image
from interact._errors import InteractError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9=_-]{0,126}")


class PictureError(InteractError):
    """A picture that must not or cannot be written."""


class Pictures(Protocol):
    """What is needed of a broker."""

    def last_values(self, stream: str, subject: str) -> AsyncIterator[tuple[str, bytes]]:
        """The last message of each subject of a stream that matches."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """One picture: the operator that shows it, its name, and the data."""

    operator: str
    name: str
    identity: bytes
    image: Image


async def pictures(broker: Pictures, stream: str) -> list[Picture]:
    """The last picture of each name in a stream; what is no picture is left out."""
    found: list[Picture] = []
    async for subject, payload in broker.last_values(stream, ">"):
        operator, name = subject.split(".")[-2:]
        try:
            header, batch = _codec.decode(payload)
        except WireError:
            continue
        if isinstance(batch, Image):
            found.append(Picture(operator, name, header.identity, batch))
    return found


@dataclasses.dataclass
class Gallery:
    """A folder of pictures that follows a pipeline.

    Attributes:
        folder: Where the files go.
        parameters: Values of the parameters, by operator; they go into each JSON file.
    """

    folder: Path
    parameters: Mapping[str, Mapping[str, object]]
    _known: dict[tuple[str, str], bytes] = dataclasses.field(default_factory=dict)
    _files: dict[tuple[str, str], list[Path]] = dataclasses.field(default_factory=dict)

    async def update(self, broker: Pictures, stream: str) -> list[Path]:
        """Write the pictures that changed; all files of all pictures.

        Raises:
            PictureError: If a name would leave the folder.
        """
        found = await pictures(broker, stream)
        names = [picture.name for picture in found]
        for picture in found:
            key = (picture.operator, picture.name)
            if self._known.get(key) != picture.identity:
                twice = names.count(picture.name) > 1
                name = f"{picture.operator}-{picture.name}" if twice else picture.name
                self._files[key] = save(picture, self.folder, name, self.parameters)
                self._known[key] = picture.identity
        return [file for files in self._files.values() for file in files]


def save(
    picture: Picture, folder: Path, name: str, parameters: Mapping[str, Mapping[str, object]]
) -> list[Path]:
    """Write ``name``.png, .npz and .json; each appears whole or not at all.

    Args:
        picture: What to write.
        folder: Where to; made when it is not there.
        name: Name of the files without an ending.
        parameters: Values of the parameters, by operator.

    Returns:
        The three files.

    Raises:
        PictureError: If the name is not a plain one.
    """
    if not _NAME.fullmatch(name):
        raise PictureError(f"picture name {name!r} is refused: letters, digits, - and _ only")
    folder.mkdir(parents=True, exist_ok=True)
    image = picture.image
    drawn = image.rendered or _png.grey(next(iter(image.channels.values())))
    facts = json.dumps(_plain(describe(picture, parameters)), indent=1, allow_nan=False)
    contents = {"png": drawn, "npz": _archive(image), "json": (facts + "\n").encode()}
    return [_write(folder / f"{name}.{ending}", data) for ending, data in contents.items()]


def describe(picture: Picture, parameters: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """What the JSON file beside a picture says."""
    image = picture.image
    return {
        "name": picture.name,
        "operator": picture.operator,
        "title": image.attributes.get("title", picture.name),
        "channels": list(image.channels),
        "shape": list(image.shape),
        "units": dict(image.units),
        "axes": [
            {name: getattr(axis, name) for name in ("name", "unit", "step", "origin")}
            for axis in image.axes
        ],
        "completeness": image.completeness,
        "final": image.final,
        "state": scan_state(image.missing, complete=image.final),
        "missing": dict(image.missing),
        "scan": {
            **{
                name: getattr(image.scan, name)
                for name in ("id", "title", "order", "offset", "flyback")
            },
            "shape": list(image.scan.shape),
            "frames_per_position": image.scan.frames_per_position,
            "calibration": msgspec.structs.asdict(image.scan.calibration),
        },
        "revision": image.revision,
        "parameters": parameters,
        "time": image.time,
        "attributes": dict(image.attributes),
    }


def _plain(value: Any) -> Any:
    """The value as strict JSON has it: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _archive(image: Image) -> bytes:
    """The channels and the coordinates as one .npz; `numpy.savez` reserves names, this does not."""
    arrays = dict(image.channels)
    for axis, coordinates in (("y", image.y), ("x", image.x)):
        if coordinates is not None:
            arrays[f"position_{axis}" if axis in arrays else axis] = coordinates
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name.replace('/', '_')}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
    return target.getvalue()


def _write(file: Path, data: bytes) -> Path:
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        fresh.write_bytes(data)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    return file
