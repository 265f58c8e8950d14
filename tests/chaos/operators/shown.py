"""A display: what it returns is kept for people."""

from interact import Image, operator


@operator(name="shown", display=True)
def shown(part: Image) -> Image:
    """The picture as it is."""
    return part
