"""JetStream in memory, as far as the reconcile sees it."""

from dataclasses import replace

from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan
from interact_controller.errors import BrokerUnreachable, OverBudget, StreamRefused
from interact_controller.seen import ConsumerSeen, StreamSeen


class Streams:
    """JetStream: refuses what the server refuses."""

    def __init__(self, store_bytes: int = 2**40) -> None:
        self.there: dict[str, StreamSeen] = {}
        self.values: dict[tuple[str, str], bytes] = {}
        self.writes: list[tuple[str, str]] = []
        self.store_bytes = store_bytes
        self.away = False

    def _reach(self) -> None:
        if self.away:
            raise BrokerUnreachable("no servers available for connection")

    async def streams(self, installation: str) -> list[StreamSeen]:
        self._reach()
        return list(self.there.values())

    async def of_pipeline(self, namespace: str, pipeline: str) -> list[StreamSeen]:
        self._reach()
        return list(self.there.values())

    async def stream(self, name: str) -> StreamSeen | None:
        self._reach()
        return self.there.get(name)

    async def make(self, plan: StreamPlan) -> None:
        self._reach()
        known = self.there.get(plan.name)
        if known is not None and known.retention != plan.retention:
            raise StreamRefused("stream name already in use with a different configuration")
        if sum(one.max_bytes for one in self.there.values()) + plan.max_bytes > self.store_bytes:
            raise OverBudget("insufficient storage resources available")
        self.writes.append(("make", plan.name))
        self.there[plan.name] = StreamSeen(
            plan.name, (plan.subject,), plan.retention, plan.discard, plan.max_bytes,
            plan.max_msgs_per_subject, plan.storage, plan.replicas, dict(plan.metadata),
            consumers={one.durable: _consumer(one) for one in plan.consumers},
        )  # fmt: skip

    async def update(self, plan: StreamPlan) -> None:
        self._reach()
        live = self.there[plan.name]
        if (live.retention, live.storage) != (plan.retention, plan.storage):
            raise StreamRefused("stream configuration update can not change retention policy")
        self.writes.append(("update", plan.name))
        self.there[plan.name] = replace(
            live, subjects=(plan.subject,), discard=plan.discard, max_bytes=plan.max_bytes,
            replicas=plan.replicas, metadata=dict(plan.metadata),
        )  # fmt: skip

    async def make_consumer(self, stream: str, plan: ConsumerPlan) -> None:
        self._reach()
        live = self.there[stream]
        self.writes.append(("consumer", f"{stream}/{plan.durable}"))
        consumers = {**(live.consumers or {}), plan.durable: _consumer(plan)}
        self.there[stream] = replace(live, consumers=consumers)

    async def remove_consumer(self, stream: str, durable: str) -> None:
        self._reach()
        live = self.there[stream]
        self.writes.append(("remove consumer", f"{stream}/{durable}"))
        consumers = {name: one for name, one in (live.consumers or {}).items() if name != durable}
        self.there[stream] = replace(live, consumers=consumers)

    async def remove(self, stream: str) -> None:
        self._reach()
        self.writes.append(("remove", stream))
        self.there.pop(stream, None)
        if stream.startswith("KV_"):
            self.values = {at: one for at, one in self.values.items() if f"KV_{at[0]}" != stream}

    async def make_bucket(self, plan: BucketPlan) -> None:
        self._reach()
        name = f"KV_{plan.name}"
        self.writes.append(("bucket", name))
        self.there[name] = StreamSeen(
            name, (f"$KV.{plan.name}.>",), "limits", "new", plan.max_bytes, plan.history,
            plan.storage, plan.replicas, dict(plan.metadata), consumers={},
        )  # fmt: skip

    async def get(self, bucket: str, key: str) -> bytes | None:
        self._reach()
        return self.values.get((bucket, key))

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        self._reach()
        assert f"KV_{bucket}" in self.there
        self.writes.append(("put", key))
        self.values[bucket, key] = value

    def hold(self, stream: str, durable: str, pending: int) -> None:
        """Let messages wait at a consumer."""
        live = self.there[stream]
        consumer = replace((live.consumers or {})[durable], pending=pending)
        consumers = {**(live.consumers or {}), durable: consumer}
        most = max(one.pending + one.ack_pending for one in consumers.values())
        self.there[stream] = replace(live, consumers=consumers, messages=most)


def _consumer(plan: ConsumerPlan) -> ConsumerSeen:
    return ConsumerSeen(
        plan.durable, plan.ack_wait_seconds, plan.max_ack_pending, plan.deliver_policy
    )
