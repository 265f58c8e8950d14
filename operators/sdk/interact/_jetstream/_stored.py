"""Messages that lie in a stream, read, put elsewhere and removed one by one."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from interact._errors import BrokerError

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a stream; ``at`` is when it was stored, seconds since 1970."""

    sequence: int
    subject: str
    payload: bytes
    at: float


async def stored(
    context: JetStreamContext, stream: str, subject: str, first: int = 1
) -> AsyncGenerator[StoredMessage]:
    """What lies in a stream now, oldest first.

    Args:
        context: A connection.
        stream: Its name.
        subject: Only what was sent to this one; may end in a wildcard.
        first: Only from this sequence on.

    Raises:
        BrokerError: If there is no such stream, or NATS does not answer.
    """
    try:
        info = await context.stream_info(stream)
        if not info.state.messages or first > info.state.last_seq:
            return
        start = max(first, info.state.first_seq)
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start
        )  # fmt: skip
        reading = await context.subscribe(
            subject, stream=stream, ordered_consumer=True, config=config
        )
        try:
            consumer = await reading.consumer_info()
            given = consumer.delivered.consumer_seq if consumer.delivered else 0
            left = (consumer.num_pending or 0) + given
            while left > 0:
                message = await reading.next_msg(ANSWER_SECONDS)
                about = message.metadata
                left = about.num_pending
                sequence, at = about.sequence.stream, about.timestamp.timestamp()
                if sequence > info.state.last_seq:
                    return  # came while we read
                yield StoredMessage(sequence, message.subject, message.data, at)
        finally:
            with suppress(nats.errors.Error, nats.js.errors.Error):
                await reading.unsubscribe()
    except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
        raise BrokerError(f"stream {stream} cannot be read: {error!r}") from error


async def count(context: JetStreamContext, stream: str) -> int:
    """How many messages lie in a stream.

    Raises:
        BrokerError: If there is no such stream, or NATS does not answer.
    """
    try:
        return (await context.stream_info(stream)).state.messages
    except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
        raise BrokerError(f"stream {stream} cannot be read: {error!r}") from error


async def put(context: JetStreamContext, subject: str, payload: bytes, identity: str) -> None:
    """Send one message and wait until it is stored.

    Raises:
        BrokerError: If it is not, for example because the stream is full.
    """
    headers = {"Nats-Msg-Id": identity}
    try:
        await context.publish(subject, payload, timeout=ANSWER_SECONDS, headers=headers)
    except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
        raise BrokerError(f"a message to {subject} was not stored: {error!r}") from error


async def remove(context: JetStreamContext, stream: str, sequence: int) -> None:
    """Remove one message from a stream; one that is not there is gone already.

    Raises:
        BrokerError: If NATS does not do it.
    """
    try:
        await context.delete_msg(stream, sequence)
    except nats.js.errors.NotFoundError:
        return
    except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
        raise BrokerError(f"message {sequence} of {stream} was not removed: {error!r}") from error
