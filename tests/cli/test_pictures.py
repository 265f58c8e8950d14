"""Pictures as files: whole or not at all, with everything that is known of them."""

import io
import json

import numpy as np
import pytest
from interact import Axis, Calibration, Image, Scan, _codec, _png
from interact import _pictures as pictures
from interact._pictures import Gallery, Picture, PictureError, save
from PIL import Image as Drawing


def image(**fields):
    scan = Scan(
        "s", (3, 5), calibration=Calibration(step=(0.5, 0.25), step_unit="nm", energy=300.0)
    )
    whole = {
        "scan": scan,
        "start": 0,
        "stop": 15,
        "channels": {"y": np.arange(15.0).reshape(3, 5), "file": np.full((3, 5), np.nan)},
        "units": {"y": "px"},
        "axes": (Axis("y", "nm", 0.5), Axis("x", "nm", 0.25)),
        "completeness": 0.8,
        "missing": {"failed": 3},
        "attributes": {"title": "Field", "limit": float("inf")},
    }
    return Image(**{**whole, **fields})


def picture(**fields):
    return Picture("show", "field", b"1" * 16, image(**fields))


class Shelf:
    """Pictures as a broker keeps them."""

    def __init__(self, *pictures):
        self.kept = [
            (
                f"interact-images.n.p.{one.operator}.{one.name}",
                _codec.encode(one.image, identity=one.identity),
            )
            for one in pictures
        ]

    async def last_values(self, stream, subject):
        for entry in self.kept:
            yield entry


def test_channels_and_facts_are_written_beside_the_picture(tmp_path):
    files = save(picture(), tmp_path / "out", "field", {"sum": {"gain": 2}})

    assert [file.name for file in files] == ["field.png", "field.npz", "field.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(
        file.name for file in files
    )
    with np.load(files[1]) as arrays:
        assert sorted(arrays) == ["file", "y"]
        assert arrays["y"].tolist() == image().channels["y"].tolist()
    said = json.loads(files[2].read_text())
    assert said["axes"][1] == {"name": "x", "unit": "nm", "step": 0.25, "origin": 0.0}
    assert said["scan"]["calibration"]["step"] == [0.5, 0.25]
    assert (said["completeness"], said["missing"], said["title"]) == (0.8, {"failed": 3}, "Field")
    assert (said["parameters"], said["attributes"]["limit"]) == ({"sum": {"gain": 2}}, None)


def test_coordinates_of_a_list_of_positions_do_not_replace_channels(tmp_path):
    listed = picture(
        scan=Scan("s", (4,)), stop=4, channels={"y": np.arange(4.0)}, axes=(Axis("position"),),
        y=np.array([0.0, 1, 1, 2]), x=np.array([5.0, 6, 7, 8]),
    )  # fmt: skip

    _, archive, _ = save(listed, tmp_path, "field", {})

    with np.load(archive) as arrays:
        assert {name: array.tolist() for name, array in arrays.items()} == {
            "y": [0, 1, 2, 3],
            "position_y": [0, 1, 1, 2],
            "x": [5, 6, 7, 8],
        }


def test_a_picture_that_was_drawn_is_kept_as_it_is(tmp_path):
    drawn = _png.grey(np.eye(7))

    file, _, _ = save(picture(rendered=drawn), tmp_path, "field", {})

    assert file.read_bytes() == drawn


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\0b", ".hidden", "x" * 200])
def test_a_name_that_would_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(PictureError, match="is refused"):
        save(picture(), tmp_path / "out", name, {})

    assert not (tmp_path / "out").exists()


async def _updated(gallery, shelf):
    return await gallery.update(shelf, "stream")


def test_only_pictures_that_changed_are_written_again(tmp_path):
    import asyncio

    gallery = Gallery(tmp_path, {})
    first = asyncio.run(_updated(gallery, Shelf(picture())))
    first[0].unlink()

    same = asyncio.run(_updated(gallery, Shelf(picture())))
    absent = not first[0].exists()
    fresh = Picture("show", "field", b"2" * 16, image())
    asyncio.run(_updated(gallery, Shelf(fresh)))

    assert (same, absent, first[0].exists()) == (first, True, True)


def test_two_displays_of_one_name_do_not_overwrite_each_other(tmp_path):
    import asyncio

    shelf = Shelf(picture(), Picture("other", "field", b"3" * 16, image()))

    files = asyncio.run(_updated(Gallery(tmp_path, {}), shelf))

    assert {file.stem for file in files} == {"show-field", "other-field"}


def test_what_is_no_picture_is_left_out():
    import asyncio

    shelf = Shelf(picture())
    shelf.kept.append(("interact-images.n.p.show.noise", b"noise"))

    found = asyncio.run(pictures.pictures(shelf, "stream"))

    assert [one.name for one in found] == ["field"]


def test_grey_stretches_what_is_there_and_greys_what_is_not():
    array = np.arange(1000.0).reshape(20, 50)
    array[3, 4] = np.nan

    with Drawing.open(io.BytesIO(_png.grey(array))) as drawn:
        pixels = np.asarray(drawn)

    assert pixels.shape == (20, 50)
    assert (pixels[0, 0], pixels[19, 49], pixels[3, 4]) == (0, 255, _png.MISSING_GREY)
    assert np.all(np.diff(np.delete(pixels.ravel(), 154).astype(int)) >= 0)


@pytest.mark.parametrize("array", [np.full((2, 3), np.nan), np.ones((2, 3)), np.arange(4)])
def test_grey_draws_flat_empty_and_listed_arrays(array):
    with Drawing.open(io.BytesIO(_png.grey(array))) as drawn:
        assert drawn.size == (np.atleast_2d(array).shape[1], np.atleast_2d(array).shape[0])
