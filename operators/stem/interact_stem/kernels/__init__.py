"""Pure functions on arrays of frames and events, compiled on first use."""

from interact_stem.kernels.counting import count_electrons
from interact_stem.kernels.dense import (
    bin_dense,
    crop_dense,
    frame_sum,
    moments,
    saturated,
    sums,
)
from interact_stem.kernels.sparse import (
    bin_sparse,
    crop_sparse,
    flat_to_rows_columns,
    sparse_frame_sum,
    sparse_moments,
    sparse_sums,
)

__all__ = [
    "bin_dense",
    "bin_sparse",
    "count_electrons",
    "crop_dense",
    "crop_sparse",
    "flat_to_rows_columns",
    "frame_sum",
    "moments",
    "saturated",
    "sparse_frame_sum",
    "sparse_moments",
    "sparse_sums",
    "sums",
]
