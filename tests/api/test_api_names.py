"""Names: readable where they can be, apart always, never too long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import names

PARTS = st.text(st.sampled_from("ab0-_.=> é"), min_size=1, max_size=40)
KEYS = st.lists(PARTS, min_size=2, max_size=4).map(tuple)
FOUR = st.tuples(PARTS, PARTS, PARTS, PARTS)


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        pytest.param(
            names.stream("lab", "scan", "centre", "frames"),
            "interact_lab_scan_centre_frames",
            id="a stream",
        ),
        pytest.param(names.durable("show", "anything"), "show_anything", id="a consumer"),
        pytest.param(names.state_bucket("lab", "scan"), "interact-state_lab_scan", id="a bucket"),
        pytest.param(names.workload("scan", "centre"), "scan--centre", id="a Deployment"),
        pytest.param(
            names.port_subject("lab", "scan", "centre", "frames"),
            "interact.lab.scan.centre.frames",
            id="a subject",
        ),
        pytest.param(
            names.dead_letter_subject("lab", "scan", "*"),
            "interact-dead.lab.scan.*",
            id="the dead letters of all operators",
        ),
        pytest.param(
            names.images_subject("lab", "scan", "show"),
            "interact-images.lab.scan.show",
            id="pictures",
        ),
        pytest.param(
            names.status_subject("lab", "scan", "show"),
            "interact-status.lab.scan.show",
            id="a status",
        ),
    ],
)
def test_an_ordinary_name_can_be_read(name, readable):
    assert name == readable


def test_parts_that_join_to_the_same_text_stay_apart():
    keys = [("a-b", "c"), ("a", "b-c"), ("a--b", "c"), ("a", "b--c"), ("a-", "b"), ("a", "-b")]

    made = {names.workload(*key) for key in keys} | {names.durable(*key) for key in keys}

    assert len(made) == 2 * len(keys)


@given(st.lists(KEYS, min_size=2, max_size=30, unique=True))
def test_two_keys_never_share_a_kubernetes_name(keys):
    made = [names.kubernetes_name(*key) for key in keys]

    assert len(set(made)) == len(keys)
    assert all(len(name) <= 63 for name in made)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for name in made)


@given(st.lists(FOUR, min_size=2, max_size=30, unique=True))
def test_two_ports_never_share_a_stream_or_a_subject(keys):
    streams = [names.stream(*key) for key in keys]
    subjects = [names.port_subject(*key) for key in keys if "*" not in key]

    assert len(set(streams)) == len(keys)
    assert len(set(subjects)) == len(keys)
    assert all(len(name) <= 63 and re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in streams)
    assert all(subject.count(".") == 4 for subject in subjects)


@given(FOUR)
def test_streams_of_different_kinds_never_share_a_name(key):
    namespace, pipeline, operator, port = key

    made = {
        names.stream(*key),
        names.dead_letter_stream(namespace, pipeline),
        names.images_stream(namespace, pipeline),
        names.state_bucket(namespace, pipeline),
        names.durable(operator, port),
    }

    assert len(made) == 5


@given(st.lists(FOUR, min_size=1, max_size=5))
def test_the_stream_of_a_bucket_fits_too(keys):
    assert all(len("KV_" + names.state_bucket(one[0], one[1])) <= 63 for one in keys)


def test_a_readable_name_cannot_pose_as_a_hashed_one():
    long = ("p" * 40, "o" * 40)
    hashed = names.kubernetes_name(*long)

    forged = {names.kubernetes_name(hashed, "x"), names.kubernetes_name(*hashed.split("---"))}

    assert hashed not in forged
    assert names.token("a=b") != "a=b"


def test_the_scan_is_one_token_of_the_subject():
    prefix = names.port_subject("lab", "scan", "centre", "frames")

    assert names.scan_subject(prefix, "run-7") == f"{prefix}.run-7"
    assert names.scan_subject(prefix, "a.b").count(".") == prefix.count(".") + 1
