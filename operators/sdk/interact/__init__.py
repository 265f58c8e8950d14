"""Write operators of Interact pipelines: kernels on batches of frames.

A kernel is a function; its annotations are its ports, its keyword arguments its parameters:

    from interact import DenseFrames, Param, Values, operator

    @operator(parallel=True)
    def brightness(frames: DenseFrames, *, gain: float = Param(1.0, minimum=0)) -> Values:
        return frames.values(mean=gain * frames.data.mean(axis=(1, 2)))

    if __name__ == "__main__":
        brightness.main()
"""

from typing import TYPE_CHECKING, Any

from interact._batches import (
    Axis,
    Batch,
    Bytes,
    DenseFrames,
    Image,
    SparseFrames,
    Values,
    lost,
)
from interact._errors import (
    BatchError,
    BrokerError,
    InputError,
    InteractError,
    OperatorError,
    SettingsError,
    TooLarge,
    TransientError,
)
from interact._operator import Operator, dependencies, operator, source
from interact._parameters import Param
from interact._reducer import (
    FrameSum,
    Picture,
    Progress,
    Reducer,
    ScanImage,
    Slots,
    scan_axes,
    scan_image,
)
from interact._scan import Calibration, Scan, Tombstone, positions
from interact._signature import Latest, Resume, Zip
from interact._streamed import Piece, Rows, Streamed

if TYPE_CHECKING:
    from interact.external_operator import ExternalOperator

__all__ = [
    "Axis",
    "Batch",
    "BatchError",
    "BrokerError",
    "Bytes",
    "Calibration",
    "DenseFrames",
    "ExternalOperator",
    "FrameSum",
    "Image",
    "InputError",
    "InteractError",
    "Latest",
    "Operator",
    "OperatorError",
    "Param",
    "Picture",
    "Piece",
    "Progress",
    "Reducer",
    "Resume",
    "Rows",
    "Scan",
    "ScanImage",
    "SettingsError",
    "Slots",
    "SparseFrames",
    "Streamed",
    "Tombstone",
    "TooLarge",
    "TransientError",
    "Values",
    "Zip",
    "dependencies",
    "lost",
    "operator",
    "positions",
    "scan_axes",
    "scan_image",
    "source",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what only external operators need when it is asked for."""
    if name == "ExternalOperator":
        from interact.external_operator import ExternalOperator

        return ExternalOperator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
