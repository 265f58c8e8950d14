"""The broker on a real nats-server: what is made, found, finished, refused and outlived."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from controller.wires import BUCKET, METADATA, MIB, PLAN, READER, SEEN, eventually, named
from interact._server import Server, nats_server
from interact_api import names
from interact_api.choices import Storage
from interact_api.report import Report, encode
from interact_api.stream_plan import DeliverPolicy, Discard, Retention
from interact_controller.errors import OverBudget, StreamRefused
from interact_controller.jetstream import JetStream
from interact_controller.seen import ConsumerSeen
from nats.aio.client import Client
from nats.aio.msg import Msg

from controller import wires


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def broker(server: Server) -> AsyncIterator[JetStream]:
    async with wires.connected(server) as one:
        yield one


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """Somebody else on the same server."""
    one = Client()
    await one.connect(server.url, token=server.token)
    yield one
    await one.close()


async def calls(client: Client) -> list[str]:
    """Subjects of JetStream's API that are called from now on, as the server tells of them."""
    heard: list[str] = []

    async def told(message: Msg) -> None:
        heard.append(json.loads(message.data)["subject"])

    await client.subscribe("$JS.EVENT.ADVISORY.API", cb=told)
    await client.flush()
    return heard


# -- making ------------------------------------------------------------------------------------


async def test_a_made_stream_is_found_as_planned(broker: JetStream) -> None:
    await broker.make(PLAN)

    found = await broker.stream(PLAN.name)

    assert found == SEEN


async def test_a_stream_of_last_values_is_found_as_planned(broker: JetStream) -> None:
    plan = dataclasses.replace(
        PLAN, retention=Retention.LIMITS, discard=Discard.OLD, max_msgs_per_subject=1,
        storage=Storage.MEMORY,
        consumers=(dataclasses.replace(READER, deliver_policy=DeliverPolicy.LAST_PER_SUBJECT),),
    )  # fmt: skip

    await broker.make(plan)

    found = await broker.stream(plan.name)
    last = ConsumerSeen(READER.durable, 35.0, 1024, "last_per_subject")
    assert found == dataclasses.replace(
        SEEN, retention="limits", discard="old", max_msgs_per_subject=1, storage="Memory",
        consumers={READER.durable: last},
    )  # fmt: skip


async def test_a_stream_listens_only_once_its_consumers_are_made(
    broker: JetStream, client: Client
) -> None:
    heard = await calls(client)

    await broker.make(PLAN)

    await eventually(lambda: len([one for one in heard if ".INFO." not in one]) >= 3)
    verbs = [".".join(one.split(".")[2:4]) for one in heard if ".INFO." not in one]
    assert verbs == ["STREAM.CREATE", "CONSUMER.DURABLE", "STREAM.UPDATE"]


async def test_a_half_made_stream_is_finished_and_keeps_what_it_has(
    broker: JetStream, client: Client
) -> None:
    second = dataclasses.replace(READER, durable="display_image")
    await broker.make(dataclasses.replace(PLAN, subject=PLAN.placeholder))
    await client.jetstream().publish(PLAN.placeholder, b"kept")

    await broker.make(dataclasses.replace(PLAN, consumers=(READER, second)))

    found = await broker.stream(PLAN.name)
    assert found is not None
    assert found.subjects == (PLAN.subject,)
    assert found.messages == 1
    assert set(found.consumers or {}) == {READER.durable, second.durable}


async def test_making_a_stream_twice_changes_nothing(broker: JetStream, client: Client) -> None:
    await broker.make(PLAN)
    heard = await calls(client)

    await broker.make(PLAN)

    await client.jetstream().account_info()  # an advisory that comes after all of ours
    await eventually(lambda: "$JS.API.INFO" in heard)
    assert [one for one in heard if "INFO" not in one and "LIST" not in one] == []


async def test_a_stream_that_is_not_there_is_none(broker: JetStream) -> None:
    assert await broker.stream("nobody") is None


async def test_removing_what_is_gone_is_fine(broker: JetStream) -> None:
    await broker.remove("nobody")
    await broker.remove_consumer("nobody", "nobody")
    await broker.make(PLAN)
    await broker.remove_consumer(PLAN.name, "nobody")

    await broker.remove(PLAN.name)

    assert await broker.stream(PLAN.name) is None


# -- changing ----------------------------------------------------------------------------------


async def test_an_update_changes_sizes_and_metadata_and_keeps_messages(
    broker: JetStream, client: Client
) -> None:
    await broker.make(PLAN)
    await client.jetstream().publish(PLAN.subject.replace("*", "s1"), b"kept")
    metadata = {**METADATA, "interact.science/pipeline-uid": "u-2"}

    await broker.update(dataclasses.replace(PLAN, max_bytes=2 * MIB, metadata=metadata))

    found = await broker.stream(PLAN.name)
    assert found is not None
    assert (found.max_bytes, found.metadata, found.messages) == (2 * MIB, metadata, 1)


async def test_a_consumer_is_updated_in_place_and_keeps_what_waits(
    broker: JetStream, client: Client
) -> None:
    await broker.make(PLAN)
    await client.jetstream().publish(PLAN.subject.replace("*", "s1"), b"waits")

    await broker.make_consumer(
        PLAN.name, dataclasses.replace(READER, ack_wait_seconds=60.0, max_ack_pending=65536)
    )

    found = await broker.stream(PLAN.name)
    assert found is not None
    assert (found.consumers or {})[READER.durable] == ConsumerSeen(
        READER.durable, 60.0, 65536, "all", pending=1
    )


async def test_a_consumer_of_last_values_is_updated_in_place(broker: JetStream) -> None:
    last = dataclasses.replace(READER, deliver_policy=DeliverPolicy.LAST_PER_SUBJECT)
    plan = dataclasses.replace(
        PLAN, retention=Retention.LIMITS, discard=Discard.OLD, max_msgs_per_subject=1,
        consumers=(last,),
    )  # fmt: skip
    await broker.make(plan)

    await broker.make_consumer(plan.name, dataclasses.replace(last, max_ack_pending=65536))

    found = await broker.stream(plan.name)
    assert found is not None
    assert (found.consumers or {})[READER.durable].max_ack_pending == 65536


async def test_what_waits_at_a_consumer_is_told(broker: JetStream, client: Client) -> None:
    await broker.make(PLAN)
    context = client.jetstream()
    for _ in range(3):
        await context.publish(PLAN.subject.replace("*", "s1"), b"x")
    pull = await context.pull_subscribe_bind(READER.durable, PLAN.name)

    await pull.fetch(1)

    found = await broker.stream(PLAN.name)
    assert found is not None
    seen = (found.consumers or {})[READER.durable]
    assert (seen.pending, seen.ack_pending, seen.idle, found.messages) == (2, 1, False, 3)


async def test_times_of_messages_and_of_acknowledgements_are_told(
    broker: JetStream, client: Client
) -> None:
    await broker.make(PLAN)
    context = client.jetstream()
    began = time.time()
    for _ in range(2):
        await context.publish(PLAN.subject.replace("*", "s1"), b"x")
    pull = await context.pull_subscribe_bind(READER.durable, PLAN.name)
    [message] = await pull.fetch(1)

    before = await broker.stream(PLAN.name)
    await message.ack_sync()
    after = await broker.stream(PLAN.name)

    assert before is not None
    assert after is not None
    assert began - 1 <= before.oldest_at <= after.oldest_at <= time.time() + 1
    assert (before.consumers or {})[READER.durable].acknowledged_at == 0
    assert (after.consumers or {})[READER.durable].acknowledged_at >= before.oldest_at
    assert (before.messages, after.messages, after.last_sequence) == (2, 1, 2)


async def test_a_look_costs_one_request_for_what_is_fixed_and_two_for_each_port(
    broker: JetStream, client: Client
) -> None:
    ports = [named("lab", "run", f"o{number}", "out") for number in range(4)]
    for plan in ports:
        await broker.make(plan)
    await broker.make_bucket(BUCKET)
    await broker.of_pipeline("lab", "run")
    heard = await calls(client)

    await broker.of_pipeline("lab", "run")

    await client.jetstream().account_info()  # an advisory that comes after all of ours
    await eventually(lambda: "$JS.API.INFO" in heard)
    asked = [one for one in heard if one != "$JS.API.INFO"]
    fixed = sum(one.startswith("$JS.API.STREAM.INFO.") for one in asked) - len(ports)
    assert fixed <= 5  # dead letters, pictures, the bucket, and chunks of two kinds of storage
    assert len(asked) <= fixed + 2 * len(ports)


# -- finding -----------------------------------------------------------------------------------


async def test_the_streams_of_a_pipeline_are_all_found_and_no_others(broker: JetStream) -> None:
    half = named("lab", "run", "half", "out")
    await broker.make(PLAN)
    await broker.make(dataclasses.replace(half, subject=half.placeholder))
    await broker.make(named("lab", "run", "foreign", "out", installation="elsewhere"))
    await broker.make(named("lab", "run2", "scan", "out"))
    await broker.make(named("lab2", "run", "scan", "out"))
    await broker.make_bucket(BUCKET)

    found = await broker.of_pipeline("lab", "run")

    assert [one.name for one in found] == sorted(
        [f"KV_{BUCKET.name}", PLAN.name, half.name, names.stream("lab", "run", "foreign", "out")]
    )
    assert all(one.consumers is not None for one in found)


async def test_dead_letters_and_pictures_belong_to_their_pipeline(
    broker: JetStream, client: Client
) -> None:
    dead = dataclasses.replace(
        PLAN, name=names.dead_letter_stream("lab", "run"), placeholder="", consumers=(),
        subject=names.dead_letter_subject("lab", "run", "*"), retention=Retention.LIMITS,
    )  # fmt: skip
    pictures = dataclasses.replace(
        dead, name=names.images_stream("lab", "run"),
        subject=f"{names.images_subject('lab', 'run', '*')}.*",
    )  # fmt: skip
    for plan in (dead, pictures):
        await broker.make(plan)
    subject = names.dead_letter_subject("lab", "run", "sum")
    for _ in range(3):
        await client.jetstream().publish(subject, b"bad")

    found = {one.name: one for one in await broker.of_pipeline("lab", "run")}

    assert found.keys() == {dead.name, pictures.name}
    assert found[dead.name].subjects_held == {subject: 3}


async def test_an_installation_lists_its_own_streams_over_several_pages(
    broker: JetStream,
) -> None:
    ours = [named("lab", f"p{number}", "scan", "out") for number in range(300)]
    small = [dataclasses.replace(one, max_bytes=1024, consumers=()) for one in ours]
    async with asyncio.TaskGroup() as group:
        for one in small:
            group.create_task(broker.make(one))
    await broker.make(named("lab", "foreign", "scan", "out", installation="elsewhere"))

    found = await broker.streams("here")

    assert {one.name for one in found} == {one.name for one in ours}
    assert len(found) == 300


# -- the bucket --------------------------------------------------------------------------------


async def test_a_bucket_keeps_the_last_value_of_a_key(broker: JetStream, client: Client) -> None:
    await broker.make_bucket(BUCKET)
    before = await broker.get(BUCKET.name, "parameters")
    await broker.put(BUCKET.name, "parameters", b"one")

    await broker.put(BUCKET.name, "parameters", b"two")

    theirs = await client.jetstream().key_value(BUCKET.name)
    assert before is None
    assert await broker.get(BUCKET.name, "parameters") == b"two"
    assert (await theirs.get("parameters")).value == b"two"


async def test_a_removed_key_is_none(broker: JetStream, client: Client) -> None:
    await broker.make_bucket(BUCKET)
    await broker.put(BUCKET.name, "parameters", b"one")
    theirs = await client.jetstream().key_value(BUCKET.name)

    await theirs.delete("parameters")

    assert await broker.get(BUCKET.name, "parameters") is None


async def test_a_bucket_that_is_made_again_takes_the_new_size_and_keeps_its_keys(
    broker: JetStream,
) -> None:
    await broker.make_bucket(BUCKET)
    await broker.put(BUCKET.name, "parameters", b"kept")

    await broker.make_bucket(dataclasses.replace(BUCKET, max_bytes=2 * MIB))

    found = await broker.stream(f"KV_{BUCKET.name}")
    assert found is not None
    assert (found.max_bytes, found.metadata) == (2 * MIB, METADATA)
    assert await broker.get(BUCKET.name, "parameters") == b"kept"


# -- refusals ----------------------------------------------------------------------------------


async def test_a_stream_larger_than_the_store_is_over_budget(broker: JetStream) -> None:
    with pytest.raises(OverBudget, match=r"no room for 'interact_lab_run_scan_out'.*maxBytes"):
        await broker.make(dataclasses.replace(PLAN, max_bytes=1 << 50))


async def test_a_stream_on_a_taken_subject_is_refused_in_the_servers_words(
    broker: JetStream,
) -> None:
    await broker.make(PLAN)

    with pytest.raises(StreamRefused, match="overlap"):
        await broker.make(dataclasses.replace(PLAN, name="other", placeholder=""))


async def test_a_change_the_server_cannot_make_is_refused(broker: JetStream) -> None:
    await broker.make(PLAN)

    with pytest.raises(StreamRefused):
        await broker.update(dataclasses.replace(PLAN, storage=Storage.MEMORY))


# -- reports -----------------------------------------------------------------------------------


async def test_reports_of_operators_are_heard_with_their_pipeline(
    broker: JetStream, client: Client
) -> None:
    heard: list[tuple[str, str, Report]] = []
    broker.on_report(lambda *told: heard.append(told))
    told = Report("scan", 0, 1, "running", "Source", frames_out=7)

    subject = names.status_subject("lab", "run", "scan")
    await client.publish(f"{subject}.0", b"no report")
    await client.publish(f"{subject}.0", encode(told))

    await eventually(lambda: heard)
    assert heard == [("lab", "run", told)]
