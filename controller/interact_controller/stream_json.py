"""Streams, consumers and buckets as JetStream's API writes them (NATS ADR-8, ADR-31), and back. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from interact_api.model import GROUP
from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan

from interact_controller.seen import ConsumerSeen, StreamSeen

INSTALLATION: Final = f"{GROUP}/installation"
PIPELINE_UID: Final = f"{GROUP}/pipeline-uid"
NANOSECONDS: Final = 1_000_000_000
PLACES: Final = frozenset({"interact", "interact-placeholder", "interact-chunks"})
"""First tokens of subjects whose next two are a namespace and a pipeline."""
DUPLICATE_WINDOW_SECONDS: Final = 120
"""nats-server's own default; an optimisation only."""


def config(plan: StreamPlan, subject: str) -> dict[str, Any]:
    """The configuration of a stream on a subject."""
    return {
        "name": plan.name,
        "subjects": [subject],
        "retention": str(plan.retention),
        "discard": str(plan.discard),
        "max_bytes": plan.max_bytes,
        "max_msgs": -1,
        "max_msg_size": -1,
        "max_age": 0,
        "max_consumers": -1,
        "max_msgs_per_subject": plan.max_msgs_per_subject,
        "storage": plan.storage.lower(),
        "num_replicas": plan.replicas,
        "duplicate_window": DUPLICATE_WINDOW_SECONDS * NANOSECONDS,
        "allow_direct": plan.direct,
        "allow_rollup_hdrs": plan.rollup,
        "metadata": dict(plan.metadata),
    }


def bucket(plan: BucketPlan) -> dict[str, Any]:
    """The configuration of the stream of a key-value bucket (NATS ADR-8)."""
    return {
        "name": f"KV_{plan.name}",
        "subjects": [f"$KV.{plan.name}.>"],
        "retention": "limits",
        "discard": "new",
        "max_bytes": plan.max_bytes,
        "max_msgs": -1,
        "max_msg_size": -1,
        "max_age": 0,
        "max_consumers": -1,
        "max_msgs_per_subject": plan.history,
        "storage": plan.storage.lower(),
        "num_replicas": plan.replicas,
        "duplicate_window": DUPLICATE_WINDOW_SECONDS * NANOSECONDS,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_direct": True,
        "metadata": dict(plan.metadata),
    }


def consumer_config(plan: ConsumerPlan, filtered: str = "") -> dict[str, Any]:
    """The configuration of a durable pull consumer; ``filtered`` is the subject it reads."""
    found: dict[str, Any] = {
        "durable_name": plan.durable,
        "ack_policy": "explicit",
        "deliver_policy": str(plan.deliver_policy),
        "ack_wait": int(plan.ack_wait_seconds * NANOSECONDS),
        "max_deliver": -1,
        "max_ack_pending": plan.max_ack_pending,
        "replay_policy": "instant",
    }
    if plan.deliver_policy == "last_per_subject":
        found["filter_subject"] = filtered or ">"
    return found


class _Config(msgspec.Struct):
    name: str
    subjects: tuple[str, ...] | None = None
    retention: str = "limits"
    discard: str = "old"
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    storage: str = "file"
    num_replicas: int = 1
    metadata: dict[str, str] | None = None


class _State(msgspec.Struct):
    messages: int = 0
    bytes: int = 0
    consumer_count: int = 0
    last_seq: int = 0
    first_ts: str = ""
    subjects: dict[str, int] | None = None


class _Info(msgspec.Struct):
    config: _Config
    state: _State = msgspec.field(default_factory=_State)


class Page(msgspec.Struct):
    """A page of a list of streams or consumers; typed, so that thousands are read quickly."""

    streams: list[_Info] | None = None
    consumers: list[dict[str, Any]] | None = None
    total: int = 0
    error: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.streams or self.consumers or ())

    def all_streams(self) -> list[StreamSeen]:
        """Without their consumers."""
        return [_seen(one) for one in self.streams or ()]

    def durables(self) -> list[ConsumerSeen]:
        """The consumers that do not go with their readers."""
        return [seen for one in self.consumers or () if (seen := consumer(one)) is not None]


page: Callable[[bytes], Page] = msgspec.json.Decoder(Page).decode


def stream(answer: Mapping[str, Any]) -> StreamSeen:
    """A stream in an answer of the API, without its consumers."""
    return _seen(msgspec.convert(answer, _Info))


def _seen(one: _Info) -> StreamSeen:
    given, state = one.config, one.state
    return StreamSeen(
        name=given.name,
        subjects=given.subjects or (),
        retention=given.retention,
        discard=given.discard,
        max_bytes=given.max_bytes,
        max_msgs_per_subject=given.max_msgs_per_subject,
        storage=given.storage.capitalize(),
        replicas=given.num_replicas,
        metadata={
            key: value
            for key, value in (given.metadata or {}).items()
            if not key.startswith("_nats.")
        },
        messages=state.messages,
        bytes=state.bytes,
        consumer_count=state.consumer_count,
        last_sequence=state.last_seq,
        oldest_at=_seconds(state.first_ts) if state.messages else 0.0,
        subjects_held=state.subjects or {},
    )


def consumer(answer: Mapping[str, Any]) -> ConsumerSeen | None:
    """A durable consumer in an answer of the API; None for one that goes with its reader."""
    given = answer["config"]
    durable = given.get("durable_name")
    if not durable:
        return None
    return ConsumerSeen(
        durable=durable,
        ack_wait_seconds=given.get("ack_wait", 0) / NANOSECONDS,
        max_ack_pending=given.get("max_ack_pending", 0),
        deliver_policy=given.get("deliver_policy", "all"),
        pending=answer.get("num_pending", 0),
        ack_pending=answer.get("num_ack_pending", 0),
        redelivered=answer.get("num_redelivered", 0),
        acknowledged_at=_seconds((answer.get("ack_floor") or {}).get("last_active", "")),
    )


def _seconds(time: str) -> float:
    """A time of the server (RFC 3339) as seconds since 1970; 0 for what is none."""
    try:
        return max(datetime.fromisoformat(time).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def signature(streams: Iterable[StreamSeen]) -> int:
    """A number that changes with the configuration of streams; what flows plays no part.

    Consumers count where they are ours to make: a bucket and pictures have passing readers.
    """
    return hash(
        frozenset(
            (
                one.name,
                one.subjects,
                one.discard,
                one.max_bytes,
                one.max_msgs_per_subject,
                one.replicas,
                tuple(sorted(one.metadata.items())),
                one.consumer_count if one.retention == "interest" else 0,
            )
            for one in streams
        )
    )


def place(subject: str) -> tuple[str, str] | None:
    """Namespace and pipeline of the subject of a port or of chunks; None for other subjects.

    >>> place("interact.lab.run.scan.out.*")
    ('lab', 'run')
    """
    parts = subject.split(".")
    if parts[0] not in PLACES or len(parts) < 5:
        return None
    return parts[1], parts[2]


class Known:
    """Which streams there are: those of the last listing, and those made since it began.

    >>> known = Known()
    >>> known.begin()
    >>> known.made("s", "interact.lab.run.scan.out.*")
    >>> known.listed([])
    >>> known.of("lab", "run"), "s" in known.names
    ({'s'}, True)
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._places: dict[tuple[str, str], set[str]] = {}
        self._since: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """A listing begins: what is made from now on may not be in it."""
        self._since = set()

    def listed(self, streams: Iterable[StreamSeen]) -> None:
        """All there were."""
        self.names, self._places = set(), {}
        for one in streams:
            for subject in one.subjects or ("",):
                self._add(one.name, subject)
        for name, subject in self._since:
            self._add(name, subject)

    def made(self, name: str, subject: str) -> None:
        """One is there since just now, or was found."""
        self._since.add((name, subject))
        self._add(name, subject)

    def of(self, namespace: str, pipeline: str) -> set[str]:
        """The streams of a pipeline's ports and chunks."""
        return self._places.get((namespace, pipeline), set())

    def _add(self, name: str, subject: str) -> None:
        self.names.add(name)
        where = place(subject)
        if where is not None:
            self._places.setdefault(where, set()).add(name)


def same_owner(live: Mapping[str, str], planned: Mapping[str, str]) -> bool:
    """Whether a stream belongs to the installation and pipeline it is planned for."""
    keys = (INSTALLATION, PIPELINE_UID)
    return all(live.get(key) == planned.get(key) for key in keys)
