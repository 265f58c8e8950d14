"""Which streams are swept, and which are never touched."""

from dataclasses import replace

import pytest
from controller.building import POLICY, Lab
from interact_controller.sweeping import orphans, swept


@pytest.fixture
async def streams():
    lab = Lab()
    await lab.look()
    return list(lab.streams.there.values())


def changed(streams, **metadata):
    names = {key: f"interact.science/{key.replace('_', '-')}" for key in metadata}
    return [
        replace(one, metadata={**one.metadata, **{names[k]: v for k, v in metadata.items()}})
        for one in streams
    ]


async def test_streams_of_a_pipeline_that_was_absent_twice_go(streams):
    first = orphans(streams, frozenset(), POLICY)
    second = orphans(streams, frozenset(), POLICY)

    assert swept(first, second) == tuple(sorted(one.name for one in streams))


async def test_one_look_is_not_enough(streams):
    assert swept(frozenset(), orphans(streams, frozenset(), POLICY)) == ()


async def test_streams_of_a_pipeline_that_is_there_stay(streams):
    uid = streams[0].metadata["interact.science/pipeline-uid"]

    assert orphans(streams, frozenset({uid}), POLICY) == frozenset()


async def test_a_pipeline_that_was_made_anew_between_two_looks_keeps_its_streams(streams):
    first = orphans(streams, frozenset(), POLICY)
    anew = changed(streams, pipeline_uid="22222222-2222-4222-8222-222222222222")

    assert swept(first, orphans(anew, frozenset(), POLICY)) == ()


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"installation": "there"}, id="another installation"),
        pytest.param({"installation": ""}, id="none"),
        pytest.param({"pipeline_uid": ""}, id="a local run"),
        pytest.param({"namespace": ""}, id="no namespace"),
        pytest.param({"namespace": "elsewhere"}, id="a namespace we do not watch"),
    ],
)
async def test_what_is_not_ours_is_never_touched(streams, metadata):
    policy = replace(POLICY, watched=frozenset({"lab"}))

    assert orphans(changed(streams, **metadata), frozenset(), policy) == frozenset()


async def test_a_controller_without_an_id_sweeps_nothing(streams):
    policy = replace(POLICY, installation="")

    assert orphans(changed(streams, installation=""), frozenset(), policy) == frozenset()
