"""A join: both kernels must have made the same of the same frames."""

import os
import signal

import numpy as np
from interact import Param, Values, Zip, operator


@operator(name="pair")
def pair(
    left: Zip[Values],
    right: Zip[Values],
    *,
    bad: int = Param(-1, description="The frame that ends the process; -1 for none."),
) -> Values:
    """What both say, if they agree."""
    if bad in left.index:
        os.kill(os.getpid(), signal.SIGKILL)
    if not np.array_equal(left.columns["total"], right.columns["total"]):
        raise ValueError(f"frames from {left.start}: the two halves are of different frames")
    return left.values(**left.columns)  # type: ignore[arg-type]  # no column is "units"
