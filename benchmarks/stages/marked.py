"""Pass frames on, with a parameter that changes and a trigger that is called meanwhile."""

from interact import DenseFrames, Param, operator


@operator(name="marked", parallel=True)
def marked(frames: DenseFrames, *, mark: int = Param(0, minimum=0)) -> DenseFrames:
    """Pass frames on."""
    del mark
    return frames


@marked.trigger("ping", audience="one")
def ping() -> int:
    """Answer."""
    return 1
