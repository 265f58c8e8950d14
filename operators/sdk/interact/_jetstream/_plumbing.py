"""Making streams, consumers and buckets as a plan says."""

import nats.errors
import nats.js.api
import nats.js.errors
from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan
from nats.js import JetStreamContext

from interact._errors import BrokerError


async def make(context: JetStreamContext, plan: StreamPlan) -> None:
    """Make a stream and its consumers: first on a placeholder, so that nothing is dropped.

    Raises:
        BrokerError: If the server refuses, for example because its store is too small.
    """
    try:
        drops = plan.retention == "interest"  # what comes before there is a consumer
        first = plan.placeholder if drops else plan.subject
        await context.add_stream(_stream_config(plan, first))
        for consumer in plan.consumers:
            await context.add_consumer(plan.name, _consumer_config(plan, consumer))
        if drops:
            await context.update_stream(_stream_config(plan, plan.subject))
    except (nats.js.errors.Error, nats.errors.Error) as error:
        raise BrokerError(
            f"stream {plan.name} ({plan.max_bytes} bytes, {plan.storage}) was refused: {error}; "
            "give nats-server more store, or lower maxBytes of the port"
        ) from error


async def make_bucket(context: JetStreamContext, plan: BucketPlan) -> None:
    """Make the state bucket of a pipeline.

    Raises:
        BrokerError: If the server refuses.
    """
    try:
        await context.create_key_value(
            bucket=plan.name, history=plan.history, max_bytes=plan.max_bytes,
            storage=nats.js.api.StorageType(plan.storage.lower()), replicas=plan.replicas,
        )  # fmt: skip
    except (nats.js.errors.Error, nats.errors.Error) as error:
        raise BrokerError(
            f"state bucket {plan.name} ({plan.max_bytes} bytes) was refused: {error}; "
            "give nats-server more store"
        ) from error


def _stream_config(plan: StreamPlan, subject: str) -> nats.js.api.StreamConfig:
    api = nats.js.api
    return api.StreamConfig(
        name=plan.name,
        subjects=[subject],
        retention=api.RetentionPolicy(plan.retention),
        discard=api.DiscardPolicy(plan.discard),
        max_bytes=plan.max_bytes,
        max_msgs_per_subject=plan.max_msgs_per_subject,
        storage=api.StorageType(plan.storage.lower()),
        num_replicas=plan.replicas,
        allow_direct=plan.direct,
        allow_rollup_hdrs=plan.rollup,
        metadata=dict(plan.metadata),
    )


def _consumer_config(stream: StreamPlan, plan: ConsumerPlan) -> nats.js.api.ConsumerConfig:
    api = nats.js.api
    last = plan.deliver_policy == "last_per_subject"
    return api.ConsumerConfig(
        durable_name=plan.durable,
        ack_policy=api.AckPolicy.EXPLICIT,
        deliver_policy=api.DeliverPolicy(plan.deliver_policy),
        ack_wait=plan.ack_wait_seconds,
        max_deliver=-1,
        max_ack_pending=plan.max_ack_pending,
        filter_subject=stream.subject if last else None,
    )
