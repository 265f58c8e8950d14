"""Pictures: where pixels land, what is grey, what the words say."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from interact import Axis, Calibration, Image, Scan, scan_axes
from interact_stem.drawing import _captions, _colours, _contents, _legend, _lengths, png, sheet
from interact_stem.drawing._colours import NOTHING, Bar
from PIL import Image as Raster

Pixels = npt.NDArray[np.uint8]
ROWS, COLUMNS = 5, 9


def pixels(data: bytes) -> Pixels:
    return np.asarray(Raster.open(io.BytesIO(data)).convert("RGB"))


def where(picture: Pixels, colour: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Pixels of one colour, within what compositing rounds."""
    near = np.abs(picture.astype(int) - np.array(colour[:3])) <= 2
    return np.asarray(near.all(axis=2))


def extent(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First and last row and column of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def image(
    channels: dict[str, Any], *, calibration: Calibration | None = None, **options: Any
) -> Image:
    shape = np.shape(next(iter(channels.values())))
    scan = Scan("scan", shape, calibration=calibration or Calibration(), title="planted")
    facts: dict[str, Any] = {"start": 0, "stop": scan.total, "axes": scan_axes(scan), **options}
    arrays = {name: np.asarray(channel) for name, channel in channels.items()}
    return Image(scan=scan, channels=arrays, **facts)


def planted(row: int, column: int, value: float = 1.0) -> npt.NDArray[np.float64]:
    array = np.zeros((ROWS, COLUMNS))
    array[row, column] = value
    return array


@pytest.mark.parametrize(
    ("row", "column"),
    [
        pytest.param(0, 0, id="the origin is at the top left"),
        pytest.param(1, 7, id="rows run down and columns to the right"),
        pytest.param(4, 2, id="near the bottom"),
    ],
)
def test_a_value_lands_at_its_row_and_column(row, column):
    picture = pixels(png(image({"value": planted(row, column)})))

    bright = where(picture, _colours.table("viridis")[255])[:, :440]
    dark = where(picture, _colours.table("viridis")[0])[:, :440]
    top, bottom, left, right = extent(bright | dark)
    first, last, start, end = extent(bright)
    cell = (bottom - top + 1) / ROWS, (right - left + 1) / COLUMNS
    assert (first - top) / cell[0] == pytest.approx(row, abs=0.1)
    assert (last + 1 - top) / cell[0] == pytest.approx(row + 1, abs=0.1)
    assert (start - left) / cell[1] == pytest.approx(column, abs=0.1)
    assert (end + 1 - left) / cell[1] == pytest.approx(column + 1, abs=0.1)


def test_a_value_that_is_not_there_is_grey_and_no_other_is():
    values = np.linspace(0, 1, ROWS * COLUMNS).reshape(ROWS, COLUMNS)

    whole = pixels(png(image({"value": values})))
    values[3, 1] = np.nan
    holed = pixels(png(image({"value": values})))

    assert not where(whole, NOTHING)[90:290, 66:436].any()
    top, bottom, left, right = extent(where(holed, NOTHING) & (whole != holed).any(axis=2))
    assert 35 <= bottom - top <= 45
    assert 35 <= right - left <= 45


@pytest.mark.parametrize("table", ["viridis", "inferno", "RdBu_r"])
def test_no_colour_table_holds_the_grey_of_nothing(table):
    distance = np.abs(_colours.table(table)[:256].astype(int) - np.array(NOTHING)).max(axis=1)

    assert distance.min() > 12


def test_all_values_missing_still_makes_a_picture():
    nothing = np.full((ROWS, COLUMNS), np.nan)

    for style in ("scalar", "vector", "pattern"):
        shown = image({"y": nothing, "x": nothing}, attributes={"style": style})
        assert where(pixels(png(shown)), NOTHING).sum() > 10_000


def test_a_second_picture_of_the_same_layout_shows_nothing_of_the_first():
    first, second = image({"value": planted(0, 1)}), image({"value": planted(4, 8, 700.0)})

    fresh = png(second)
    png(first)

    assert png(second) == fresh


def test_hue_points_where_the_vector_points_on_the_picture():
    y, x = np.array([0.0, 1.0, 0.0, -1.0, np.nan]), np.array([1.0, 0.0, -1.0, 0.0, 0.0])
    legend = _colours.wheel(101)

    drawn = _colours.directions(y, x, 1.0)
    assert tuple(drawn[0][:3]) == (255, 0, 0)
    assert tuple(drawn[4]) == NOTHING
    for index, (row, column) in enumerate([(50, 99), (99, 50), (50, 1), (1, 50)]):
        np.testing.assert_allclose(legend[row, column], drawn[index], atol=12)


def test_a_vector_is_zero_at_its_mean_and_has_three_panels():
    y, x = planted(1, 2, 4.0) + 30, planted(3, 3, -2.0) + 40

    panels = _contents.contents(image({"y": y, "x": x}, attributes={"style": "vector"}))

    assert [panel.label for panel in panels] == ["y component", "x component", "direction"]
    middle = [(p.legend.low + p.legend.high) / 2 for p in panels if isinstance(p.legend, Bar)]
    assert middle == pytest.approx([y.mean(), x.mean()])


def test_a_vector_is_drawn_by_its_deflection_where_it_has_one():
    channels = {"y": planted(0, 0) + 60, "x": planted(1, 1) + 70}
    shift = {"shift_y": planted(2, 2, -5.0), "shift_x": planted(3, 3, 2.0)}
    attributes = {"style": "vector", "center": [60, 70]}

    panels = _contents.contents(image({**channels, **shift}, attributes=attributes))

    assert [panel.label for panel in panels] == ["y deflection", "x deflection", "direction"]
    bars = [(p.legend.low, p.legend.high) for p in panels if isinstance(p.legend, Bar)]
    assert bars == [(-5.0, 5.0), (-2.0, 2.0)]


def test_a_pattern_is_logarithmic_with_its_aperture_in_calibrated_units():
    axes = Axis("y", "mrad", 2.0), Axis("x", "mrad", 2.0)
    attributes = {"style": "pattern", "center": [20, 30], "radius": 5, "inner": 8, "outer": 12}
    shown = image({"sum": np.eye(48, 64) * 1000}, axes=axes, attributes=attributes)

    (panel,) = _contents.contents(shown)

    assert isinstance(panel.legend, Bar)
    assert panel.legend.log
    assert _lengths.place(shown).extent == (-61.0, 67.0, 55.0, -41.0), "angles from the centre"
    assert panel.marks.cross == (0.0, 0.0)
    assert [(c.y, c.x, c.radius_y, c.dashed) for c in panel.marks.circles] == [
        (0.0, 0.0, 10.0, False),
        (0.0, 0.0, 16.0, True),
        (0.0, 0.0, 24.0, True),
    ]


def test_the_aperture_is_drawn_where_the_disk_is():
    disk = np.hypot(*np.ogrid[-20:28, -40:24]) <= 10
    shown = image(
        {"mean": disk + 1e-9}, attributes={"style": "pattern", "center": [20, 40], "radius": 10}
    )

    picture = pixels(png(shown))

    disk_rows = extent(where(picture, _colours.table("inferno")[255])[:, :442])
    circle = extent(where(picture, (0x40, 0xE0, 0xFF)))
    np.testing.assert_allclose(circle, disk_rows, atol=5)


def test_zero_counts_take_the_lowest_colour_of_a_logarithmic_bar():
    bar = Bar("inferno", *_colours.log_limits(np.array([0.0, 1.0, 1e9])), log=True)

    shaded = _colours.shade(np.array([0.0, -1.0, 1e9, np.nan]), bar)

    table = _colours.table("inferno")
    assert shaded.tolist() == [list(c) for c in (table[0], table[0], table[255], NOTHING)]
    assert bar.low == 1e9 / 10**_colours.DECADES


def test_axes_carry_units_and_pixel_edges():
    calibration = Calibration(step=(0.5, 0.25), step_unit="Å")

    place = _lengths.place(image({"value": planted(0, 0)}, calibration=calibration))

    assert place.extent == (-0.125, 2.125, 2.25, -0.25)
    assert (place.y.unit, place.x.unit) == ("Å", "Å")
    assert place.size[1] / place.size[0] == pytest.approx(2.5 / 2.25, rel=0.05)


def test_a_calibrated_picture_has_a_scale_bar_and_another_has_none():
    values = np.full((ROWS, COLUMNS), 1.0)
    calibration = Calibration(step=(0.5, 0.5), step_unit="Å")

    inside = (slice(90, 290), slice(66, 436))
    plain = pixels(png(image({"value": values})))[inside]
    calibrated = pixels(png(image({"value": values}, calibration=calibration)))[inside]

    assert not where(plain, (255, 255, 255)).any()
    longest = where(calibrated, (255, 255, 255)).sum(axis=1).max()
    assert longest == pytest.approx(1.0 / 0.5 * 42, abs=3), "1 Å at 42 pixels a position"


@pytest.mark.parametrize(
    ("width", "length"),
    [(7.8, 2.0), (129.0, 20.0), (0.0031, 0.001), (3.0, 1.0), (6.0, 2.0), (2.9, 0.5)],
)
def test_a_scale_bar_is_a_round_part_of_the_width(width, length):
    assert _lengths.scale_bar(width) == pytest.approx(length)


def test_ticks_are_round_and_inside():
    assert _lengths.ticks(0.3, 2.2, 4) == [0.5, 1.0, 1.5, 2.0]
    assert _lengths.ticks(-13, 12) == [-10, -5, 0, 5, 10]
    assert _lengths.ticks(-0.05, 4.95, 1) == [0, 2, 4]
    assert _lengths.log_ticks(1e-3, 20) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert _lengths.log_ticks(2, 8) == [2, 8]


@pytest.mark.parametrize(
    ("facts", "words", "colour"),
    [
        pytest.param({}, "complete", _captions.COMPLETE, id="whole"),
        pytest.param(
            {"missing": {"missing": 12}, "completeness": 0.9},
            "INCOMPLETE: 12 missing",
            _captions.INCOMPLETE,
            id="ended without some frames",
        ),
        pytest.param(
            {"missing": {"failed": 8, "aborted": 4}, "completeness": 0.9},
            "INCOMPLETE: 12 missing (aborted 4, failed 8)",
            _captions.INCOMPLETE,
            id="reasons are told",
        ),
        pytest.param(
            {"missing": {"filtered": 3}, "completeness": 0.9},
            "complete · 3 filtered",
            _captions.COMPLETE,
            id="filtered on purpose",
        ),
        pytest.param(
            {"stop": 0, "completeness": 0.437},
            "43 % complete",
            _captions.PARTIAL,
            id="under way",
        ),
        pytest.param(
            {"stop": 0, "completeness": 0.9999, "missing": {"overrun": 2}},
            "99 % complete · missing 2 (overrun 2)",
            _captions.PARTIAL,
            id="never rounded up to whole",
        ),
    ],
)
def test_completeness_is_said(facts, words, colour):
    assert _captions.completeness(image({"value": planted(0, 0)}, **facts)) == (words, colour)


def test_facts_tell_scan_step_rotation_energy_and_dose():
    calibration = Calibration(
        step=(0.2, 0.2), step_unit="Å", rotation=-12.5, flip=True, energy=300.0, dose=200.0
    )
    shown = image(
        {"y": planted(0, 0), "x": planted(0, 0)},
        calibration=calibration,
        attributes={"style": "vector", "curl_angle": -10.25, "empty": 2, "saturated": 0},
    )

    assert _captions.facts(shown) == (
        "planted · scan 5 × 9 · step 0.2 Å · rotation −12.5°, flipped "
        "(least curl at −10.2° or 169.8°) · 300 keV · 200 e⁻/frame"
    )
    assert _captions.counts(shown) == "empty positions 2 · saturated positions 0"


def test_a_list_of_positions_is_drawn_at_its_coordinates():
    y, x = np.array([0.0, 0.0, 10.0, np.nan]), np.array([0.0, 20.0, 0.0, np.nan])
    shown = image({"value": np.array([0.0, 0.0, 1.0, np.nan])}, y=y, x=x, axes=())

    picture = pixels(png(shown))

    top, bottom, left, right = extent(where(picture, _colours.table("viridis")[255])[:, :442])
    zeros = extent(where(picture, _colours.table("viridis")[0])[:, :442])
    assert top > zeros[1], "y = 10 lies below y = 0"
    assert right < (zeros[2] + zeros[3]) / 2, "x = 0 lies to the left of x = 20"
    assert bottom - top < 20
    assert left >= zeros[2] - 2


def test_many_points_are_drawn_at_their_coordinates_too():
    random = np.random.default_rng(3)
    y, x = random.uniform(0, 10, 4000), random.uniform(0, 30, 4000)
    value = (y > 5) & (x < 10)

    picture = pixels(png(image({"value": value}, y=y, x=x, axes=())))

    bright = extent(where(picture, _colours.table("viridis")[255])[:, :442])
    dark = extent(where(picture, _colours.table("viridis")[0])[:, :442])
    assert bright[0] == pytest.approx((dark[0] + dark[1]) / 2, abs=6)
    assert bright[1] == pytest.approx(dark[1], abs=6)
    assert bright[3] - bright[2] == pytest.approx((dark[3] - dark[2]) / 3, rel=0.08)


def test_a_list_without_coordinates_is_drawn_over_the_number():
    place = _lengths.place(image({"value": np.arange(7.0)}, axes=()))

    assert (place.x.name, place.extent[:2]) == ("position", (-0.5, 6.5))
    assert png(image({"value": np.arange(7.0)}, axes=())).startswith(b"\x89PNG")


def test_large_pictures_are_averaged_without_what_is_missing():
    large = np.zeros((1300, 3))
    large[1297:, 2] = [3, np.nan, 6]

    small = _contents.numbers(large)

    assert small.shape == (434, 3)
    assert small[-1].tolist() == [0, 0, 6.0], "rows 1299 alone"
    assert small[-2].tolist() == [0, 0, 1.5], "rows 1296, 1297; 1298 is not there"


def test_a_large_picture_keeps_values_at_their_place():
    large = np.zeros((1290, 1290))  # blocks of 3, drawn 1 to 1 in 430 pixels
    large[900:930, 300:330] = 1

    picture = pixels(png(image({"value": large})))

    bright = extent(where(picture, _colours.table("viridis")[255])[:, :492])
    top, left = 62 + 24, 62
    assert bright == (top + 300, top + 309, left + 100, left + 109)


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_any_number_of_channels_makes_a_picture(count):
    channels = {f"c{number}": planted(1, 1) for number in range(count)}

    width = pixels(png(image(channels))).shape[1]

    assert len(_contents.contents(image(channels))) == min(count, _contents.MAX_PANELS)
    assert 450 * min(count, 3) < width < 600 * min(count, 3)


def test_signs_with_a_meaning_to_matplotlib_are_taken_as_they_are():
    shown = image({"a_$x$": planted(0, 0)}, attributes={"title": "50 $ per \\frac", "note": "$_{"})

    assert png(shown).startswith(b"\x89PNG")


def test_signs_the_font_lacks_and_line_breaks_are_replaced():
    assert _captions.wrapped("SrTiO₃ Å\n\x02\U000629ca", 40, 1) == "SrTiO₃ Å □□"


def test_numbers_beyond_all_measure_are_drawn_as_not_there():
    values = planted(1, 1, np.inf)
    values[2, 2] = -1e200

    assert np.argwhere(np.isnan(_contents.numbers(values))).tolist() == [[1, 1], [2, 2]]


def test_values_that_hardly_differ_keep_labels_that_differ():
    shown = image({"value": planted(1, 1, 1e-4) + 33000})

    (panel,) = _contents.contents(shown)

    assert isinstance(panel.legend, Bar)
    values = _legend.bar_ticks(panel.legend, 3)
    labels = [_legend.tick(value, 0, panel.legend) for value in values]
    assert len(set(labels)) == len(labels) >= 2


def test_a_sheet_holds_every_panel_and_the_facts():
    com = image({"y": planted(0, 0), "x": planted(1, 1)}, attributes={"style": "vector"})
    fields = image({"bright": planted(2, 2), "dark": planted(3, 3)}, stop=0, completeness=0.5)

    four = pixels(sheet([com, fields], title="Sheet", facts=[("dose", "200")], across=3))
    alone = pixels(sheet([fields], title="Sheet", across=3))

    assert four.shape[0] > 1.5 * alone.shape[0]
    assert four.shape[1] > 1.3 * alone.shape[1]
