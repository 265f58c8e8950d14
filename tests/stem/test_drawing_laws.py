"""A picture is drawn whatever is in it: no value, shape or attribute may stop a run."""

import io

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from interact import Axis, Calibration, Image, Scan, scan_axes
from interact_stem.drawing import _lengths, png, sheet
from PIL import Image as Raster

shapes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 30)),
    st.sampled_from([(1, 700), (700, 2)]),
)
dtypes = st.sampled_from([np.float64, np.float32, np.int64, np.uint16, np.bool_])
numbers = st.one_of(st.none(), st.floats(), st.integers(-5, 5))
attributes = st.fixed_dictionaries(
    {"style": st.sampled_from(["scalar", "vector", "pattern", "unknown"])},
    optional={
        "title": st.text(max_size=200),
        "note": st.text(max_size=300),
        "center": st.one_of(st.none(), st.lists(numbers, max_size=3)),
        "radius": numbers,
        "outer": numbers,
        "log": st.booleans(),
        "empty": st.integers(0, 9),
        "curl_angle": numbers,
        "rotation": st.one_of(st.none(), st.floats(-400, 400)),
    },
)
steps = st.sampled_from([0.0, 1e-12, 0.25, 3.0, 1e9])


@st.composite
def images(draw: st.DrawFn) -> Image:
    shape = draw(shapes)
    values = arrays.arrays(draw(dtypes), shape)
    unit = draw(st.sampled_from(["", "px", "Å"]))
    scan = Scan("scan", shape, calibration=Calibration((draw(steps), draw(steps)), unit))
    known = draw(st.booleans()) and len(shape) == 1
    coordinates = arrays.arrays(np.float64, shape, elements=st.floats(-1e3, 1e3) | st.just(np.nan))
    return Image(
        scan=scan,
        start=0,
        stop=draw(st.sampled_from([0, scan.total])),
        channels={"y": draw(values), "x": draw(values)},
        units={"y": unit},
        axes=draw(st.sampled_from([scan_axes(scan), (), (Axis("only"),)])),
        completeness=draw(st.floats(0, 1)),
        missing=draw(st.dictionaries(st.text(max_size=9), st.integers(0, 10**9), max_size=3)),
        attributes=draw(attributes),
        y=draw(coordinates) if known else None,
        x=draw(coordinates) if known else None,
    )


@settings(max_examples=25)
@given(images())
def test_any_picture_is_drawn(image):
    drawn = Raster.open(io.BytesIO(png(image)))

    assert drawn.format == "PNG"
    assert 400 < drawn.width < 3000
    assert 150 < drawn.height < 3000


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e9), st.integers(1, 9))
def test_two_ticks_at_least_lie_inside(low, span, count):
    found = _lengths.ticks(low, low + span, count)

    assert 2 <= len(found) <= count + 4
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)
    assert found == sorted(set(found))


@settings(max_examples=5)
@given(st.lists(images(), max_size=3))
def test_any_pictures_make_a_sheet(shown):
    assert sheet(shown, title="Sheet", facts=[("a", "b")]).startswith(b"\x89PNG")
