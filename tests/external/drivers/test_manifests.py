"""Files that cross the border: half written is not ready, wrong is to be corrected, never a crash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import bounded_json, file_names, manifests
from interact_api.manifests import (
    ExperimentResult,
    FileStatus,
    HumanResponse,
    Invalid,
    NotReady,
    TaskManifest,
    Valid,
)

OLD, YOUNG = 60.0, 0.5
WHOLE = json.dumps(
    {"status": "COMPLETED", "data": {"peak": [1, 2.5]}, "files": ["a/b.csv"]}
).encode()


def judged(data: bytes | None, age: float = OLD) -> object:
    return manifests.judge(ExperimentResult, manifests.RESULT, data, age)


def test_a_result_is_read_as_its_model():
    result = ExperimentResult(
        status=FileStatus.COMPLETED, data={"peak": [1, 2.5]}, files=("a/b.csv",)
    )

    assert judged(WHOLE) == Valid(result)
    assert judged(b'{"status": "WAITING", "robot": "busy"}') == Valid(
        ExperimentResult(status=FileStatus.WAITING)
    )


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_the_beginning_of_a_file_is_not_ready_while_it_is_young(length: int):
    assert isinstance(judged(WHOLE[:length], YOUNG), NotReady)
    assert isinstance(judged(WHOLE[:length], OLD), Invalid)


def test_a_file_that_is_not_there_is_not_ready():
    assert judged(None) == NotReady("'experiment_result.json' is not there yet")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b'{"status": "RUNNING"}', "status: ", id="a status nobody knows"),
        pytest.param(b'{"data": {}}', "status: Field required", id="no status"),
        pytest.param(b"[]", "the document: ", id="a list"),
        pytest.param(
            b'{"status": "COMPLETED", "files": ["../x", "a\\nb"]}', "files.1: ", id="bad names"
        ),
        pytest.param(b"[" * 100_000, "nested deeper than 64", id="deeply nested"),
        pytest.param(b'"' + b"a" * 1_100_000 + b'"', "at most 1,048,576", id="huge"),
        pytest.param(b'{"status": NaN}', "no JSON", id="not JSON"),
    ],
)
def test_an_invalid_file_says_what_to_correct(data: bytes, said: str):
    found = judged(data)

    assert isinstance(found, Invalid)
    assert found.message.startswith("'experiment_result.json': ")
    assert said in found.message


def test_a_young_file_with_wrong_fields_is_invalid_at_once():
    assert isinstance(judged(b'{"status": "DONE"}', YOUNG), Invalid)


def test_what_was_given_is_not_repeated_in_the_message():
    found = judged(b'{"status": "' + b"secret" * 1000 + b'"}')

    assert isinstance(found, Invalid)
    assert "secret" not in found.message


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_the_reader(data: bytes):
    assert isinstance(judged(data, YOUNG), Valid | NotReady | Invalid)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(value=JSON)
def test_json_within_its_bounds_is_read_as_python_s_own_does(value: object):
    data = json.dumps(value).encode()

    assert bounded_json.parse(data) == json.loads(data)


@given(levels=st.integers(1, 70))
def test_the_depth_is_counted_exactly(levels: int):
    data = b"[" * levels + b"]" * levels

    if levels <= bounded_json.MAX_DEPTH:
        bounded_json.parse(data)
    else:
        with pytest.raises(bounded_json.OutOfBounds, match="nested deeper than 64"):
            bounded_json.parse(data)


def test_a_manifest_written_twice_is_the_same_and_is_read_back():
    manifest = TaskManifest(task_id="k", operator_type="robot", namespace="lab", name="r", uid="u",
                            attempt=1, parameters={"b": 1, "a": "é"})  # fmt: skip

    data = manifests.written(manifest)

    assert data == manifests.written(manifest.model_copy())
    assert manifests.judge(TaskManifest, manifests.MANIFEST, data, 0) == Valid(manifest)
    assert HumanResponse(status=FileStatus.FAILED).error == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is empty"), ("/etc/passwd", "is absolute"), ("a\\b", "backslash"), ("../a", "'..'"),
        ("a/../b", "'..'"), ("a//b", "part ''"), ("./a", "'.'"), ("a/", "part ''"), ("a\0", "printed"),
        ("a\nb", "printed"), ("a\u2028b", "printed"), ("a\ud800", "printed"), ("é" * 200, "255 bytes"),
        ("a/" * 600 + "a", "at most 1024 bytes"), ("a/" * 16 + "a", "16 parts"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_plain_file_below_the_folder_is_refused(name: str, said: str):
    found = file_names.file_problem(name, "files[3]")

    assert found is not None
    assert found.path == "files[3]"
    assert said in found.message
    assert "\n" not in found.message


@pytest.mark.parametrize("name", ["a", ".hidden", "a b.csv", "ü/é.txt", "-rf", "..a", "a" * 255])
def test_a_plain_name_is_taken_as_it_is(name: str):
    assert file_names.file_problem(name) is None
