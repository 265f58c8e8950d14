"""A picture of every column of values: one pixel a position.

Numbers: sums over the frames of a position, integers exact; NaN where no frame came.
"""

from interact import Image, Param, Picture, Progress, ScanImage, operator


class TitledImage(ScanImage):
    """Put the values of every position in their place, with pictures as the scan runs."""

    title: str = Param("", description="First line of the picture.")
    note: str = Param("", description="A sentence below the picture.")

    def result(self, state: Picture, progress: Progress) -> Image:
        """The picture so far."""
        image = super().result(state, progress)
        words = {"title": self.title, "note": self.note}
        return image.replace(attributes={key: text for key, text in words.items() if text})


scan_image = operator(name="scan-image")(TitledImage)

if __name__ == "__main__":
    scan_image.main()
