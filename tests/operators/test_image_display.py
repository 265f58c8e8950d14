"""Pictures for people."""

import numpy as np
from interact.testing import run

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_picture_is_drawn_and_its_arrays_stay(shipped, uneven):
    image = run(shipped("scan-image"), uneven.values({"a": "counts"}, a=np.arange(24)))

    shown = shipped("image-display")(image)

    assert shown.rendered.startswith(PNG)
    np.testing.assert_array_equal(shown.channels["a"], np.arange(24.0).reshape(4, 6))
    assert shipped("image-display").display
