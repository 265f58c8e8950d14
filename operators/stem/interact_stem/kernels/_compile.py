"""How kernels are compiled and which arrays they are given.

Kernels are compiled on the first call for a type and kept in numba's cache: the folder of
``NUMBA_CACHE_DIR``, else ``__pycache__`` beside the source, else the user's cache folder. Where
none of them can be written (a container with a read-only root) they are compiled anew by each
process; nothing else changes. numba itself is imported with the first call: that takes a third of a
second, and sources never make one.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError

Array = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

_KNOWN = frozenset(np.dtype(f"=i{n}") for n in (1, 2, 4, 8)) | frozenset(
    np.dtype(name) for name in ("=u1", "=u2", "=u4", "=f4", "=f8")
)


def compiled(function: F) -> F:
    """Compile a loop on first use: cached where possible, without the interpreter's lock.

    Sums of floats may be reordered so that they use vector instructions; NaN and infinities keep
    their meaning. A function of a module, called by its name there: the first call puts what was
    compiled in its place.
    """

    @functools.wraps(function)
    def first(*arguments: Any) -> Any:
        made = function.__globals__[function.__name__] = _compile(function)
        return made(*arguments)

    return cast("F", first)


def _compile(function: F) -> F:
    import numba

    options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "nsz"}}
    try:
        return cast("F", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # numba finds no folder for its cache and says so here
        return cast("F", numba.njit(**options)(function))


def native(array: npt.ArrayLike) -> Array:
    """The array as kernels take it: contiguous, native-endian, a type they know, read-only.

    Copies only where it must. Marking the view read-only makes one compilation serve messages
    (read-only bytes) and arrays of one's own.

    Raises:
        ShapeError: If the elements are not real numbers of at most 8 bytes.
    """
    array = np.asarray(array)
    if array.dtype in _KNOWN and array.flags.c_contiguous and array.flags.aligned:
        view = array.view()
        view.flags.writeable = False
        return view
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise ShapeError(f"kernels take real numbers, not {array.dtype}")
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "b":
        array, dtype = array.view(np.uint8), np.dtype(np.uint8)
    elif dtype == np.float16:
        dtype = np.dtype(np.float32)
    elif dtype == np.uint64:
        dtype = np.dtype(np.int64)
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view


def native_frames(frames: npt.ArrayLike) -> Array:
    """`native` for a stack of frames, shape (n, rows, columns).

    Raises:
        ShapeError: If the array has another number of axes.
    """
    array = native(frames)
    if array.ndim != 3:
        raise ShapeError(f"frames have shape (n, rows, columns), not {array.shape}")
    return array


def native_mask(mask: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """A mask as bytes 0 and 1.

    Raises:
        ShapeError: If its shape is not ``shape``.
    """
    array = np.asarray(mask)
    if array.shape != shape:
        raise ShapeError(f"the mask has shape {array.shape}, the detector {shape}")
    return native(array if array.dtype == bool else array.astype(bool))
