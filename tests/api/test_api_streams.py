"""The stream plan: what NATS gets, and what each process is started with."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import streams
from interact_api.choices import Guarantee, Join, OnFull, Role, Storage
from interact_api.config import ChunksConfig, InputConfig, OperatorConfig, OutputConfig
from interact_api.execution import Execution, ExecutionMode
from interact_api.external_work import Driver
from interact_api.graph import GraphError
from interact_api.stream_plan import (
    BucketPlan,
    ConsumerPlan,
    DeliverPolicy,
    Discard,
    Retention,
    StreamPlan,
)

METADATA = {
    "interact.science/installation": "here",
    "interact.science/namespace": "lab",
    "interact.science/pipeline": "scan",
    "interact.science/pipeline-uid": "",
}


@pytest.fixture
def wide(make_pipeline):
    return make_pipeline(
        "r.frames > c.frames",
        {"wire": "c.moments > t.parts", "ackWait": "1m", "attempts": 2},
        "t.partial > s.anything",
        "r.dark > k.dark",
        "r.frames > k.frames",
        r={
            "ref": "reader",
            "parameters": {"path": "data/scan.h5", "repeat": "3"},
            "outputs": [{"name": "frames", "delivery": {"maxBytes": "1Gi", "replicas": 3}}],
        },
        c={"ref": "centre", "replicas": 4},
        t="total",
        s="show",
        k="correct",
    )


def test_a_port_that_keeps_frames_gets_an_interest_stream(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)

    assert plan.streams[0] == StreamPlan(
        name="interact_lab_scan_r_frames",
        subject="interact.lab.scan.r.frames.*",
        retention=Retention.INTEREST,
        discard=Discard.NEW,
        max_bytes=2**30,
        max_msgs_per_subject=-1,
        storage=Storage.FILE,
        replicas=3,
        metadata=METADATA,
        placeholder="interact-placeholder.lab.scan.r.frames",
        consumers=(
            ConsumerPlan("c_frames", 17.0, 1024, DeliverPolicy.ALL),
            ConsumerPlan("k_frames", 35.0, 1024, DeliverPolicy.ALL),
        ),
    )


def test_a_port_that_shows_the_latest_keeps_one_message_a_scan(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)
    partial = next(one for one in plan.streams if one.name.endswith("t_partial"))

    assert (partial.retention, partial.discard, partial.max_msgs_per_subject) == (
        Retention.LIMITS,
        Discard.OLD,
        1,
    )
    assert partial.consumers == (
        ConsumerPlan("s_anything", 35.0, 65536, DeliverPolicy.LAST_PER_SUBJECT),
    )


def test_only_ports_with_an_edge_have_a_stream(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)

    assert [one.name for one in plan.streams] == [
        "interact_lab_scan_r_frames",
        "interact_lab_scan_r_dark",
        "interact_lab_scan_c_moments",
        "interact_lab_scan_t_partial",
        "interact-chunks_lab_scan_file",
        "interact-dead_lab_scan",
        "interact-images_lab_scan",
    ]
    assert plan.operators["t"].unread_outputs == ["image"]
    assert plan.operators["k"].unread_outputs == ["frames"]


def test_chunks_lie_in_the_storage_of_their_port(make_pipeline, catalogue, plan_settings):
    """What a port may take of a shared stream is its own: none can take another's room."""
    pipeline = make_pipeline(
        "r.frames > c.frames",
        "c.moments > t.parts",
        r={
            "ref": "reader",
            "outputs": [{"name": "frames", "delivery": {"maxBytes": "1Gi", "storage": "Memory"}}],
        },
        c="centre",
        t="total",
    )

    plan = streams.plan(pipeline, catalogue, plan_settings)
    file, memory = (one for one in plan.streams if one.name.startswith("interact-chunks"))

    assert memory == StreamPlan(
        name="interact-chunks_lab_scan_memory",
        subject="interact-chunks.lab.scan.memory.>",
        retention=Retention.LIMITS,
        discard=Discard.NEW,
        max_bytes=2**30 + streams.LEDGER_BYTES,
        max_msgs_per_subject=1,
        storage=Storage.MEMORY,
        replicas=1,
        metadata=METADATA,
        direct=True,
    )
    assert (file.storage, file.max_bytes) == (
        Storage.FILE,
        plan_settings.dead_letter_bytes
        + plan_settings.images_bytes
        + plan_settings.max_bytes // 2
        + 3 * streams.LEDGER_BYTES,
    )
    assert plan.operators["r"].outputs[0].chunks == ChunksConfig(
        stream=memory.name, subject="interact-chunks.lab.scan.memory.r.frames", max_bytes=2**30
    )


def test_a_side_input_has_no_consumer(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)
    dark = next(one for one in plan.streams if one.name.endswith("r_dark"))

    assert dark.consumers == ()
    assert [one.durable for one in plan.operators["k"].inputs] == ["", "k_frames"]


def test_a_full_dead_letter_stream_refuses(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)
    dead = next(one for one in plan.streams if one.name == "interact-dead_lab_scan")

    assert (dead.subject, dead.discard, dead.storage) == (
        "interact-dead.lab.scan.*",
        Discard.NEW,
        Storage.FILE,
    )
    assert dead.subject.replace("*", "c") == plan.operators["c"].dead_letter_subject


def test_an_operator_is_told_all_it_needs(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)

    assert plan.operators["c"] == OperatorConfig(
        namespace="lab",
        pipeline="scan",
        operator="c",
        run="00ff",
        revision=1,
        role=Role.TRANSFORM,
        parallel=True,
        replicas=4,
        parameters={"radius": 20.0, "method": "disk"},
        kernel_timeout_seconds=12.0,
        inputs=[
            InputConfig(
                port="frames",
                source="r.frames",
                stream="interact_lab_scan_r_frames",
                durable="c_frames",
                subject="interact.lab.scan.r.frames.*",
                delivery=Guarantee.AT_LEAST_ONCE,
                ack_wait_seconds=17.0,
                attempts=5,
                join=Join.NONE,
                lanes=["r"],
                merges=False,
                types=["dense", "sparse"],
            )
        ],
        outputs=[
            OutputConfig(
                port="moments",
                subject="interact.lab.scan.c.moments",
                stream="interact_lab_scan_c_moments",
                delivery=Guarantee.AT_LEAST_ONCE,
                on_full=OnFull.BLOCK,
                max_bytes=256 * 2**20,
                types=["values"],
                chunks=ChunksConfig(
                    stream="interact-chunks_lab_scan_file",
                    subject="interact-chunks.lab.scan.file.c.moments",
                    max_bytes=128 * 2**20,
                ),
            )
        ],
        dead_letter_subject="interact-dead.lab.scan.c",
        dead_letter_stream="interact-dead_lab_scan",
        dead_letter_chunks=ChunksConfig(
            stream="interact-chunks_lab_scan_file",
            subject="interact-chunks.lab.scan.file._dead.letters",
            max_bytes=64 * 2**20,
        ),
        state_bucket="interact-state_lab_scan",
        images_subject="interact-images.lab.scan.c",
        images_stream="interact-images_lab_scan",
        images_chunks=ChunksConfig(
            stream="interact-chunks_lab_scan_file",
            subject="interact-chunks.lab.scan.file._images.pictures",
            max_bytes=64 * 2**20,
        ),
        status_subject="interact-status.lab.scan.c",
    )


def test_an_edge_chooses_its_ack_wait_and_attempts(wide, catalogue, plan_settings):
    (parts,) = streams.plan(wide, catalogue, plan_settings).operators["t"].inputs

    assert (parts.ack_wait_seconds, parts.attempts) == (60.0, 2)


def test_values_are_converted_and_defaults_filled_in(wide, catalogue, plan_settings):
    plan = streams.plan(wide, catalogue, plan_settings)

    assert plan.operators["r"].parameters == {"path": "data/scan.h5", "repeat": 3}


def test_a_process_reads_its_settings_back(wide, catalogue, plan_settings):
    for config in streams.plan(wide, catalogue, plan_settings).operators.values():
        assert OperatorConfig.model_validate_json(config.model_dump_json()) == config


def test_a_merging_reader_is_told_so(make_pipeline, catalogue, plan_settings):
    pipeline = make_pipeline(
        "r.frames > s.anything", "q.frames > s.anything", r="reader", q="reader", s="show"
    )

    inputs = streams.plan(pipeline, catalogue, plan_settings).operators["s"].inputs

    assert [(one.source, one.lanes, one.merges) for one in inputs] == [
        ("r.frames", ["r"], True),
        ("q.frames", ["q"], True),
    ]


def test_a_pipeline_with_problems_has_no_plan(make_pipeline, catalogue, plan_settings):
    with pytest.raises(GraphError, match=r"nothing feeds c\.frames") as caught:
        streams.plan(make_pipeline(c="centre"), catalogue, plan_settings)

    assert len(caught.value.problems) == 1


def test_the_budget_is_the_sum_of_what_is_stored(make_pipeline, catalogue, plan_settings):
    pipeline = make_pipeline("r.frames > s.anything", r="reader", s="show")
    settings = dataclasses.replace(
        plan_settings,
        max_bytes=1000,
        chunk_bytes=10_000,
        dead_letter_bytes=100,
        images_bytes=10,
        state_bytes=1,
    )

    plan = streams.plan(pipeline, catalogue, settings)

    assert plan.max_bytes == 1111 + (10_000 + 100 + 10) + 3 * streams.LEDGER_BYTES
    assert plan.bucket == BucketPlan("interact-state_lab_scan", 5, 1, Storage.FILE, 1, METADATA)


def test_messages_that_become_runs_have_an_object_store_in_the_budget(
    make_pipeline, catalogue, plan_settings
):
    pipeline = make_pipeline("r.frames > s.anything", r="reader", s="show")
    show = catalogue["show"]
    work = Execution(mode=ExecutionMode.EXTERNAL, driver=Driver.HTTP)
    spec = show.spec.model_copy(update={"execution": work})
    external = {**catalogue, "show": show.model_copy(update={"spec": spec})}

    before = streams.planned(pipeline, catalogue, plan_settings)
    after = streams.planned(pipeline, external, plan_settings)

    [objects] = [one for one in after.streams if one not in before.streams]
    assert objects == StreamPlan(
        name="OBJ_interact-runs_lab_scan",
        subject="$O.interact-runs_lab_scan.>",
        retention=Retention.LIMITS,
        discard=Discard.NEW,
        max_bytes=plan_settings.max_bytes,
        max_msgs_per_subject=-1,
        storage=plan_settings.storage,
        replicas=plan_settings.replicas,
        metadata=METADATA,
        direct=True,
        rollup=True,
    )
    assert after.max_bytes == before.max_bytes + plan_settings.max_bytes


@given(st.randoms(use_true_random=False))
def test_a_plan_depends_on_nothing_but_its_inputs(catalogue, make_pipeline, plan_settings, random):
    shuffled = dict(random.sample(list(catalogue.items()), len(catalogue)))
    pipeline = make_pipeline(
        "r.frames > a.frames",
        "r.frames > b.frames",
        "a.moments > t.parts",
        "b.moments > t.parts",
        r="reader",
        a="centre",
        b="centre",
        t="total",
    )

    assert streams.plan(pipeline, shuffled, plan_settings) == streams.plan(
        pipeline, catalogue, plan_settings
    )
