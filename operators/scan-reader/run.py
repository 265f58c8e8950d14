"""Read scans from files, at the pace of a microscope or as fast as the stream takes them.

Numbers: frames as they are stored; batches are cut by the file's facts alone, so that a source
that starts again cuts them alike. Frames the file lacks are missing, those it has too many are not
read; both are said.
"""

import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from interact import DenseFrames, Param, Resume, SparseFrames, source
from interact_stem import readers, scans

logger = logging.getLogger(__name__)


@source(name="scan-reader")
async def scan_reader(
    *,
    resume: Resume,
    path: Path = Param(
        description="File: .npy, .npz, .npz.bz2, HDF5, counted events of stempy, .mib or .mrc."
    ),
    dataset: str = Param("", description="Array of the file, where it has several."),
    coordinates: str = Param("", description="Array of the file with (y, x) of each position."),
    scan_shape: str = Param(
        "", description="'64,64' of a raster, '516' of a list; what the file says where empty."
    ),
    frames_per_position: int = Param(0, minimum=0, description="0: what the file says."),
    order: Literal["raster", "snake"] = Param("raster", description="How rows follow each other."),
    flyback: int = Param(0, minimum=0, description="Positions at each row's end to leave out."),
    offset: int = Param(0, minimum=0, description="Frames before the first position."),
    detector_order: Literal["centred", "fft"] = Param(
        "centred", description="fft: the beam is stored at pixel (0, 0)."
    ),
    frames_per_message: int = Param(0, minimum=0, description="0: about one mebibyte."),
    rate: float = Param(0.0, unit="frames/s", minimum=0, description="0: as fast as it goes."),
    repeats: int = Param(1, minimum=0, description="How often to read it; 0: for ever."),
    step_y: float | None = Param(None, minimum=0, description="Distance of scan rows."),
    step_x: float | None = Param(None, minimum=0, description="Distance of scan columns."),
    step_unit: str = Param("", description="Unit of the steps, for example Å."),
    pixel_y: float | None = Param(None, minimum=0, description="Height of a detector pixel."),
    pixel_x: float | None = Param(None, minimum=0, description="Width of a detector pixel."),
    pixel_unit: str = Param("", description="Unit of the pixels, for example mrad."),
    rotation: float = Param(0.0, unit="°", description="Turns the detector into the scan."),
    flip: bool = Param(False, description="Whether the detector's rows are upside down."),
    energy: float | None = Param(None, unit="keV", minimum=0, description="Of the beam."),
    dose: float | None = Param(None, minimum=0, description="Electrons in a frame."),
) -> AsyncIterator[DenseFrames | SparseFrames]:
    """Read a scan from a file, in the order of acquisition."""
    calibration = scans.calibration(
        step_y=step_y,
        step_x=step_x,
        step_unit=step_unit,
        pixel_y=pixel_y,
        pixel_x=pixel_x,
        pixel_unit=pixel_unit,
        rotation=rotation,
        flip=flip,
        energy=energy,
        dose=dose,
    )
    with readers.open_scan(
        path,
        dataset=dataset or None,
        scan_shape=scans.parsed_shape(scan_shape),
        frames_per_position=frames_per_position or None,
        flyback=flyback,
        offset=offset,
        detector_order=detector_order,
        coordinates=coordinates or None,
    ) as file:
        if file.excess:
            logger.warning(
                "%s holds %d frames more than the scan; they are not read", path.name, file.excess
            )
        if file.truncated:
            logger.warning("%s holds %d of %d frames", path.name, file.present, file.frames)
        scan = scans.Acquisition(
            file, order=order, flyback=flyback, offset=offset, calibration=calibration,
            per_message=frames_per_message,
        )  # fmt: skip
        ordinals = itertools.count(resume.scan) if repeats == 0 else range(resume.scan, repeats)
        parts = itertools.chain.from_iterable(
            scan.batches(number, resume.index if number == resume.scan else 0)
            for number in ordinals
        )
        async for part in scans.paced(parts, rate):
            yield part


if __name__ == "__main__":
    scan_reader.main()
