"""What `make run` compares: right pictures pass, each kind of wrong one fails its own row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interact import Axis, Calibration, Image, Scan, _pictures

from examples import _comparisons, _oracles, _sheets
from examples._saved import MissingPictureError, forget, saved

CALIBRATION = Calibration(
    step=(0.5, 0.25), step_unit="Å", pixel=(1.0, 1.0), pixel_unit="mrad", energy=300.0, dose=200.0
)


def write(
    folder: Path, name: str, channels: dict[str, Any], shape: tuple[int, ...], **facts: Any
) -> None:
    """Save a picture as `interact run --images` does."""
    scan = Scan("scan", shape, calibration=CALIBRATION, title="planted")
    options = {"start": 0, "stop": scan.total, **facts}
    arrays = {key: np.asarray(value) for key, value in channels.items()}
    image = Image(scan=scan, channels=arrays, **options)
    _pictures.save(_pictures.Picture("display", name, b"", image), folder, name, {})


@pytest.fixture
def example(tmp_path):
    """A folder with a reference of 2 × 3 positions, and one with the pictures that meet it."""
    random = np.random.default_rng(7)
    com, disk, ring = random.uniform(3, 40, (2, 3, 2)), *random.integers(1, 99, (2, 2, 3))
    pattern = random.integers(0, 9, (6, 8))
    home, pictures = tmp_path / "example", tmp_path / "pictures"
    home.mkdir()
    frames = np.append(np.arange(5.0), pattern.sum() - 10).reshape(2, 3)
    np.savez(home / "reference.npz", com_yx=com, vbf=disk, ring=ring, frame_sum=frames)
    write(pictures, "com", {"y": com[..., 0], "x": com[..., 1]}, (2, 3))
    write(pictures, "fields", {"bright": disk, "dark": ring}, (2, 3))
    write(pictures, "pattern", {"sum": pattern}, (2, 3))
    return home, pictures, com, disk, ring


def failed(home: Path, pictures: Path) -> list[str]:
    return [row.quantity for row in _comparisons.measured("a", home, pictures) if not row.passed]


def test_pictures_that_meet_their_reference_pass(example):
    home, pictures, *_ = example

    assert failed(home, pictures) == []
    assert len(_comparisons.measured("a", home, pictures)) == 5


def test_swapped_components_fail_both_rows(example):
    home, pictures, com, *_ = example

    write(pictures, "com", {"y": com[..., 1], "x": com[..., 0]}, (2, 3))

    assert failed(home, pictures) == ["a: centre of mass, y", "a: centre of mass, x"]


def test_one_count_too_many_fails_a_sum(example):
    home, pictures, _, disk, ring = example
    ring = ring.copy()
    ring[1, 2] += 1

    write(pictures, "fields", {"bright": disk, "dark": ring}, (2, 3))

    assert failed(home, pictures) == ["a: ring sum"]


def test_a_position_that_is_missing_fails(example):
    home, pictures, com, *_ = example
    y = com[..., 0].copy()
    y[0, 1] = np.nan

    write(pictures, "com", {"y": y, "x": com[..., 1]}, (2, 3))

    assert failed(home, pictures) == ["a: centre of mass, y"]


def test_a_picture_that_was_not_saved_is_named(example):
    home, pictures, *_ = example
    (pictures / "fields.npz").unlink()

    with pytest.raises(MissingPictureError, match="fields"):
        _comparisons.measured("a", home, pictures)


def test_what_an_earlier_run_saved_is_forgotten_and_nothing_else(example):
    _, pictures, *_ = example
    (pictures / "mine.png").write_bytes(b"")

    forget(pictures, ["com", "fields", "dpc"])

    assert {file.name for file in pictures.iterdir()} == {
        "mine.png", "pattern.png", "pattern.npz", "pattern.json",
    }  # fmt: skip


def test_a_saved_picture_comes_back_whole(tmp_path):
    y, x = np.array([1.0, 5.0, 2.0]), np.array([-3.0, 0.5, 9.0])
    channels = {"y": [60.0, np.nan, 61.0], "x": [70.0, np.nan, 71.0]}

    write(
        tmp_path, "com", channels, (3,), y=y, x=x, stop=0, completeness=0.4, units={"y": "px"},
        missing={"failed": 1}, axes=(Axis("position"),), attributes={"style": "vector"},
    )  # fmt: skip
    back = saved(tmp_path, "com")

    np.testing.assert_array_equal(back.channels["y"], channels["y"])
    np.testing.assert_array_equal((back.y, back.x), (y, x))
    assert (back.completeness, back.final, dict(back.missing)) == (0.4, False, {"failed": 1})
    assert back.scan.calibration == CALIBRATION
    assert back.attributes["style"] == "vector"
    assert back.axes == (Axis("position"),)


@pytest.fixture(scope="module")
def srtio3(repository, tmp_path_factory):
    """The pictures that numpy makes of the simulated scan, as a run would save them."""
    home, folder = repository / "examples" / "srtio3", tmp_path_factory.mktemp("srtio3")
    aperture = (_comparisons.CENTER, _comparisons.RADIUS, _comparisons.INNER, _comparisons.OUTER)
    events = _oracles.counted(home / "simulated.h5", *aperture)
    y, x = events.com_y - events.com_y.mean(), events.com_x - events.com_x.mean()
    write(
        folder,
        "com",
        {"y": events.com_y, "x": events.com_x},
        (64, 64),
        attributes={"style": "vector"},
    )
    write(folder, "fields", {"bright": events.bright, "dark": events.dark}, (64, 64))
    facts = {"frames": 4096, "style": "pattern", "center": [67, 62]}
    write(folder, "pattern", {"sum": events.pattern}, (64, 64), attributes=facts)
    write(folder, "dpc", {"phase": _oracles.periodic_phase(y, x)}, (64, 64))
    return home, folder, events


def test_the_simulated_scan_meets_all_its_rows(srtio3):
    home, folder, _ = srtio3

    assert [row.quantity for row in _comparisons.simulated(home, folder) if not row.passed] == []


def test_the_phase_of_swapped_axes_fails(srtio3, tmp_path):
    home, folder, events = srtio3
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    swapped = _oracles.periodic_phase(events.com_x, events.com_y)

    write(tmp_path, "dpc", {"phase": swapped}, (64, 64))

    wrong = [row.quantity for row in _comparisons.simulated(home, tmp_path) if not row.passed]
    assert wrong == ["SrTiO₃: DPC phase, 1 − correlation"]


def test_the_apertures_compared_are_those_of_the_pipeline(repository):
    text = (repository / "examples" / "srtio3" / "pipeline.yaml").read_text(encoding="utf-8")

    for name, value in zip(("center_y", "center_x"), _comparisons.CENTER, strict=True):
        assert f"{name}: {value:g}" in text
    for name in ("radius", "inner", "outer"):
        assert f"{name}: {getattr(_comparisons, name.upper()):g}" in text


def test_the_oracle_recovers_a_planted_phase():
    rows, columns = np.meshgrid(np.arange(12), np.arange(20), indexing="ij")
    phase = np.cos(2 * np.pi * rows / 12) + np.sin(4 * np.pi * columns / 20)
    y = -2 * np.pi / 12 * np.sin(2 * np.pi * rows / 12)
    x = 4 * np.pi / 20 * np.cos(4 * np.pi * columns / 20)

    np.testing.assert_allclose(_oracles.periodic_phase(y, x), phase, atol=1e-12)
    assert _oracles.curl_to_divergence(y, x) < 1e-12
    half = np.sqrt(0.5)
    turned = _oracles.curl_to_divergence(half * (y + x), half * (x - y))
    assert turned == pytest.approx(1, abs=1e-9), "tan 45°"


def test_the_sheet_shows_the_mean_pattern_and_the_facts(srtio3):
    _, folder, events = srtio3

    mean = _sheets.mean_pattern(saved(folder, "pattern"))
    facts = dict(_sheets.facts(mean, saved(folder, "com")))

    np.testing.assert_allclose(mean.channels["mean"], events.pattern / 4096)
    assert facts["field of view"] == "32 × 16 Å"
    assert facts["beam centre (y, x)"] == "67, 62 px"
    assert facts["counted"] == "186.4 e⁻ per frame"
    assert _sheets.srtio3(folder).startswith(b"\x89PNG")
