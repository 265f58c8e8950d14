"""A reducer whose result shows every frame that is missing, doubled, or added in another order."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from interact import FrameSum, Image, Progress, Reducer, Scan, Slots, Values, operator, scan_image


@dataclasses.dataclass
class Totals:
    """One number a position, how often each came, and a sum of floats."""

    slots: Slots
    light: FrameSum


@operator(name="total")
class Total(Reducer[Totals]):
    """Sums of frames as a picture, and the sum of all light."""

    def zero(self, scan: Scan) -> Totals:
        """Nothing yet."""
        return Totals(Slots(scan), FrameSum())

    def add(self, state: Totals, part: Values) -> None:
        """Take the frames of one message."""
        columns = part.columns
        state.slots.add(part, {"total": columns["total"], "light": columns["light"]})
        state.light.add(part, np.array([columns["light"].sum()]))

    def result(self, state: Totals, progress: Progress) -> Image:
        """The picture, with how often each position was added."""
        channels = {name: state.slots[name] for name in ("total", "light")}
        light = state.light.total()
        return scan_image(
            progress, {**channels, "seen": state.slots.seen},
            attributes={"light": 0.0 if light is None else float(light[0])},
        )  # fmt: skip


@Total.trigger("count")
def count(reducer: Total, states: Mapping[str, Totals]) -> dict[str, int]:
    """How many frames there are of each scan under way."""
    del reducer
    return {scan: int(state.slots.seen.sum()) for scan, state in states.items()}
