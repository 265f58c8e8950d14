"""Draw pictures for people.

Numbers: none are changed; the picture's arrays travel beside the PNG made of them.
"""

from interact import Image, operator
from interact_stem import drawing


@operator(name="image-display", display=True, thread=True)
def image_display(image: Image) -> Image:
    """Draw each picture; the last one of every input is kept for people to look at."""
    return image.replace(rendered=drawing.png(image))


if __name__ == "__main__":
    image_display.main()
