"""Draw pictures of scans: any `interact.Image` as PNG, and several on one sheet.

    from interact_stem.drawing import png

    path.write_bytes(png(image))

The origin is at the top left, y runs down, values that are not there (NaN) are grey. What a picture
looks like is said in `Image.attributes`, all of it optional:

| attribute | meaning |
|---|---|
| `title` | first line |
| `style` | `scalar` (default): every channel with its colour bar; `vector`: channels `shift_y` and `shift_x`, or without them `y` and `x`, and their direction as colour; `pattern`: one diffraction pattern on a logarithmic scale |
| `note` | a sentence below the picture, for example "simulated" |
| `empty`, `saturated` | how many positions had no counts, and how many a saturated pixel |
| `center` | (y, x) in pixels of the detector: drawn on a pattern; where `y` and `x` of a vector are zero (default: their mean) |
| `radius` | disk of a pattern, pixels; or `inner` and `outer`, a ring |
| `log` | false draws a pattern on a linear scale |
| `rotation`, `flip`, `curl_angle` | degrees, bool, degrees: how a vector was turned, and the angle of least curl |

Pictures of one scan share their figure: only what changed is drawn anew.
"""

from interact_stem.drawing._picture import png
from interact_stem.drawing._sheet import sheet

__all__ = ["png", "sheet"]
