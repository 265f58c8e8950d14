"""Pure functions on arrays of frames and events, compiled on first use."""

from interact_stem.kernels.counting import count_electrons
from interact_stem.kernels.dense import frame_sum, moments, saturated, sums
from interact_stem.kernels.flat import flat_to_rows_columns
from interact_stem.kernels.resized import bin_dense, bin_sparse, crop_dense, crop_sparse
from interact_stem.kernels.sparse import sparse_frame_sum, sparse_moments, sparse_sums

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
