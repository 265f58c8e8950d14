"""Count what arrives: the end of a chain that measures the way there."""

from interact import DenseFrames, SparseFrames, Values, operator


@operator(name="counted-in")
def counted_in(frames: DenseFrames | SparseFrames | Values) -> None:
    """Count frames."""
