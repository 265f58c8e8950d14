"""Paths of a run: what is below its folder is reached, everything else is refused and named."""

import hashlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import external_paths as paths
from interact.external_paths import PathRefused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run's folder, with a sibling whose name begins alike and holds a secret."""
    for name in ("run", "run-other"):
        (tmp_path / name).mkdir()
    (tmp_path / "run-other" / "secret").write_text("s")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(".", id="the root itself"),
        pytest.param("a/b/c", id="what is not there yet"),
        pytest.param("a/../b", id="a way round that stays inside"),
        pytest.param("../run/x", id="a way out that comes back"),
        pytest.param("inside/x", id="a link to a folder inside"),
    ],
)
def test_what_stays_below_the_root_is_given_with_its_links_followed(root: Path, target: str):
    (root / "real").mkdir()
    (root / "inside").symlink_to("real")

    found = paths.ensure_under_run_root(root, target)

    assert found == (root / target).resolve()
    assert paths.ensure_under_run_root(root, root / target) == found


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param("..", "leads out of", id="the folder above"),
        pytest.param("a/../../run-other/secret", "leads out of", id="through .."),
        pytest.param("/etc/passwd", "leads out of", id="an absolute path"),
        pytest.param("../run-other", "leads out of", id="a sibling whose name begins alike"),
        pytest.param("escape/secret", "leads out of", id="a link to a folder outside"),
        pytest.param("ring", "cannot be followed|leads out of|neither", id="links in a ring"),
        pytest.param("pipe", "neither a file nor a folder", id="a pipe"),
        pytest.param("socket", "neither a file nor a folder", id="a socket"),
        pytest.param("a\0b", r"'a\\x00b' has a character", id="a NUL"),
        pytest.param("a\nb", r"'a\\nb' has a character", id="two lines"),
        pytest.param("x" * 300, "cannot be followed", id="too long for a file system"),
    ],
)
def test_what_leads_elsewhere_is_refused_and_named(root: Path, target: str, said: str):
    (root / "escape").symlink_to(root.parent / "run-other")
    (root / "ring").symlink_to("ring")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket is short
        try:
            made.bind("socket")
        finally:
            os.chdir(here)

        with pytest.raises(PathRefused, match=said) as refused:
            paths.ensure_under_run_root(root, target)

    assert ascii(target[:80])[1:-1] in refused.value.problem.message


def test_a_device_is_refused(tmp_path: Path):
    with pytest.raises(PathRefused, match="neither a file nor a folder"):
        paths.ensure_under_run_root(Path("/dev"), "null")
    with (
        pytest.raises(PathRefused, match="neither a file nor a folder"),
        paths.opened(Path("/dev"), "null"),
    ):
        pass


def test_a_root_that_is_a_link_is_where_it_leads(root: Path):
    link = root.parent / "link"
    link.symlink_to(root)

    assert paths.ensure_under_run_root(link, "a") == root / "a"
    assert paths.write(link, "a", b"1").path == "a"
    assert (root / "a").read_bytes() == b"1"


PIECES = ["a", "b", ".", "..", "/", "\\", "\0", "\n", "~", " ", "é", "\u2028"]
WORDS = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@given(name=WORDS)
def test_no_name_reaches_what_lies_outside(tmp_path_factory: pytest.TempPathFactory, name: str):
    around = tmp_path_factory.mktemp("around")
    root = around / "a"
    root.mkdir()
    (root / "b").symlink_to(around)

    try:
        found = paths.ensure_under_run_root(root, name)
        assert found == root or root in found.parents
    except PathRefused:
        pass
    try:
        written = paths.write(root, name, b"data")
        assert (root / written.path).resolve().is_relative_to(root)
    except PathRefused:
        pass

    assert sorted(one.name for one in around.iterdir()) == ["a"]


@given(word=st.text(max_size=70), uuid=st.text(max_size=70))
def test_the_folder_of_an_operator_has_three_parts_or_is_refused(word: str, uuid: str):
    root = Path("/runs/one")

    try:
        found = paths.operator_run_dir(root, word, uuid)
    except PathRefused:
        return

    assert found.parent.parent.parent == root
    assert found.relative_to(root).parts == ("operators", word, uuid)


@pytest.mark.parametrize(
    "word", ["", ".", "..", "../../etc", "a/b", "a..b", ".a", "a\n", "ä", "-a"]
)
def test_a_word_that_cannot_name_a_folder_is_refused_not_stripped(root: Path, word: str):
    with pytest.raises(PathRefused, match="cannot name a folder"):
        paths.operator_run_dir(root, word, "1")
    with pytest.raises(PathRefused, match="cannot name a folder"):
        paths.operator_run_dir(root, "human", word)


def test_a_folder_of_operators_that_is_a_link_outside_is_refused(root: Path):
    (root / "operators").symlink_to(root.parent / "run-other")

    with pytest.raises(PathRefused, match="leads out of"):
        paths.operator_run_dir(root, "human", "1")


def test_a_file_is_written_whole_with_its_hash_and_read_back(root: Path):
    data = b"x" * 3_000_000

    told = paths.write(root, "deep/er/data.bin", data)

    assert told == paths.entry(root, "deep/er/data.bin")
    assert (told.bytes, told.sha256) == (3_000_000, hashlib.sha256(data).hexdigest())
    assert [one.name for one in (root / "deep" / "er").iterdir()] == ["data.bin"]
    found = paths.read(root, "deep/er/data.bin", 10)
    assert found is not None
    assert found[0] == b"x" * 11
    assert paths.read(root, "deep/none", 10) is None


@pytest.mark.parametrize("name", ["link", "folder/secret", "hop/secret"])
def test_links_are_not_followed_by_whoever_reads_or_writes(root: Path, name: str):
    outside = root.parent / "run-other"
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "hop").symlink_to("folder")

    with pytest.raises(PathRefused, match="without following a link"):
        paths.read(root, name, 10)
    with pytest.raises(PathRefused, match="without following a link"):
        paths.entry(root, name)
    if "/" in name:
        with pytest.raises(PathRefused, match="without following a link"):
            paths.write(root, name, b"changed")
    else:
        paths.write(root, name, b"changed")  # the link itself is replaced

    assert (outside / "secret").read_text() == "s"


def test_a_pipe_holds_nobody(root: Path):
    os.mkfifo(root / "pipe")

    with pytest.raises(PathRefused, match="neither a file nor a folder"):
        paths.read(root, "pipe", 10)


def test_a_link_in_the_way_of_a_new_file_is_not_followed(root: Path):
    outside = root.parent / "run-other" / "secret"
    part = f".{hashlib.sha256(b'new').hexdigest()[:16]}.part"
    (root / part).symlink_to(outside)

    paths.write(root, "new", b"data")

    assert outside.read_text() == "s"
    assert (root / "new").read_bytes() == b"data"
