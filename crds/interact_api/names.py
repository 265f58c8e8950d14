"""Every name the platform makes: keys are tuples, names never collide and fit their limit.

A readable name joins the parts of its key with a separator that no part contains. A key that
cannot be joined like that (too long, foreign characters) becomes a slug and a hash, with a mark
between them that no readable name contains. So two keys never share a name.
"""

import hashlib
import re
from typing import Final

LIMIT: Final = 63
"""Longest DNS label (RFC 1123), and longest value of a Kubernetes label."""

_HASH_LENGTH: Final = 16
"""Hexadecimal digits, 64 bits: two of a million names collide once in 37 million tries."""

_NATS_PART: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_KUBERNETES_PART: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def _digest(key: tuple[str, ...]) -> str:
    framed = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in key)
    return hashlib.blake2b(framed, digest_size=_HASH_LENGTH // 2).hexdigest()


def _nats_name(key: tuple[str, ...], limit: int = LIMIT) -> str:
    name = "_".join(key)
    if len(name) <= limit and all(_NATS_PART.fullmatch(part) for part in key):
        return name
    room = limit - _HASH_LENGTH - 2
    slug = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(key))[:room].strip("-")
    return f"{slug}__{_digest(key)}"


def kubernetes_name(*key: str, limit: int = LIMIT) -> str:
    """The DNS label of a Kubernetes object that belongs to a key, for example ("scan", "sum").

    >>> kubernetes_name("scan", "sum")
    'scan--sum'
    """
    name = "--".join(key)
    if len(name) <= limit and all(
        _KUBERNETES_PART.fullmatch(part) and "--" not in part for part in key
    ):
        return name
    room = limit - _HASH_LENGTH - 3
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(key).lower())[:room].strip("-") or "x"
    return f"{slug}---{_digest(key)}"


def token(part: str) -> str:
    """One token of a NATS subject.

    >>> token("centre of mass").startswith("centre-of-mass=")
    True
    """
    if _TOKEN.fullmatch(part):
        return part
    slug = re.sub(r"[^A-Za-z0-9]+", "-", part)[: LIMIT - _HASH_LENGTH - 1].strip("-")
    return f"{slug}={_digest((part,))}"


def _subject(*parts: str) -> str:
    return ".".join(part if part == "*" else token(part) for part in parts)


def stream(namespace: str, pipeline: str, operator: str, port: str) -> str:
    """The stream of an output port."""
    return _nats_name(("interact", namespace, pipeline, operator, port))


def dead_letter_stream(namespace: str, pipeline: str) -> str:
    """The stream of what a pipeline could not process."""
    return _nats_name(("interact-dead", namespace, pipeline))


def images_stream(namespace: str, pipeline: str) -> str:
    """The stream of the pictures a pipeline shows."""
    return _nats_name(("interact-images", namespace, pipeline))


def chunks_stream(namespace: str, pipeline: str, storage: str) -> str:
    """The stream of the chunks of messages too large for one, of one kind of storage."""
    return _nats_name(("interact-chunks", namespace, pipeline, storage.lower()))


def state_bucket(namespace: str, pipeline: str) -> str:
    """The KV bucket of a pipeline's parameters, attempts, checkpoints and positions.

    Three characters shorter than other names: its stream is called ``KV_`` and the name.
    """
    return _nats_name(("interact-state", namespace, pipeline), LIMIT - 3)


def durable(operator: str, port: str) -> str:
    """The consumer by which an input port reads a stream; the same for all replicas."""
    return _nats_name((operator, port))


def port_subject(namespace: str, pipeline: str, operator: str, port: str) -> str:
    """What the subjects of an output port begin with; the scan's token follows after a dot."""
    return _subject("interact", namespace, pipeline, operator, port)


def scan_subject(prefix: str, scan: str) -> str:
    """The subject of one scan at an output port."""
    return f"{prefix}.{token(scan)}"


def placeholder_subject(namespace: str, pipeline: str, operator: str, port: str) -> str:
    """Where a stream listens until its consumers are made."""
    return _subject("interact-placeholder", namespace, pipeline, operator, port)


def dead_letter_subject(namespace: str, pipeline: str, operator: str) -> str:
    """Where an operator puts what it could not process; ``*`` for all of them."""
    return _subject("interact-dead", namespace, pipeline, operator)


def chunks_subject(namespace: str, pipeline: str, storage: str, *port: str) -> str:
    """What the subjects of chunks begin with: all of a storage, or those of (operator, port)."""
    return _subject("interact-chunks", namespace, pipeline, storage.lower(), *port)


def images_subject(namespace: str, pipeline: str, operator: str) -> str:
    """What the subjects of an operator's pictures begin with (``*`` for all operators)."""
    return _subject("interact-images", namespace, pipeline, operator)


def status_subject(namespace: str, pipeline: str, operator: str) -> str:
    """Where an operator's replicas tell how they are (core NATS, not stored)."""
    return _subject("interact-status", namespace, pipeline, operator)


def trigger_subject(namespace: str, pipeline: str, operator: str, trigger: str) -> str:
    """Where a trigger of an operator is called (core NATS request)."""
    return _subject("interact-trigger", namespace, pipeline, operator, trigger)


def control_subject(namespace: str, pipeline: str) -> str:
    """Where a local run takes changes of its pipeline's specification (core NATS request)."""
    return _subject("interact-control", namespace, pipeline)


def external_subject(namespace: str, key: str) -> str:
    """Where the pod with an external operator's class takes calls for a run (core NATS request)."""
    return _subject("interact-external", namespace, key)


def inputs_bucket(namespace: str) -> str:
    """The object store of a namespace's runs: what `inputs` and `artifacts` name as objects.

    Four characters shorter than other names: its stream is called ``OBJ_`` and the name.

    >>> inputs_bucket("stem")
    'interact-runs_stem'
    """
    return _nats_name(("interact-runs", namespace), LIMIT - 4)


def messages_bucket(namespace: str, pipeline: str) -> str:
    """The object store of the messages of a pipeline that are inputs of runs.

    The name of an object in it begins with the pipeline's and a slash.

    >>> messages_bucket("stem", "scan")
    'interact-runs_stem_scan'
    """
    return _nats_name(("interact-runs", namespace, pipeline), LIMIT - 4)


def objects_stream(bucket: str) -> str:
    """The stream of an object store (NATS ADR-20)."""
    return f"OBJ_{bucket}"


def lonely_streams(namespace: str, pipeline: str) -> tuple[str, ...]:
    """The streams of a pipeline of which there is one each, whatever it is made of; not the letters."""
    return (
        images_stream(namespace, pipeline),
        f"KV_{state_bucket(namespace, pipeline)}",
        objects_stream(messages_bucket(namespace, pipeline)),
    )


def runs_subject(namespace: str, pipeline: str, operator: str) -> str:
    """Where the controller takes messages that are to become external runs (core NATS request)."""
    return _subject("interact-runs", namespace, pipeline, operator)


def run_news_subject(namespace: str, pipeline: str, operator: str) -> str:
    """Where the controller tells that such a run has ended (core NATS, not stored)."""
    return _subject("interact-run-news", namespace, pipeline, operator)


def message_run(pipeline: str, operator: str, nonce: str, message: str, edition: int = 0) -> str:
    """The external run of a message; a message that is given again finds it.

    Args:
        pipeline: The pipeline.
        operator: The operator's name in it.
        nonce: Of the pipeline's run.
        message: The message's identity.
        edition: How often a person sent it again.

    >>> message_run("scan", "fit", "0f", "1234")
    'scan-fit-be2d23f528c056df'
    """
    digest = _digest((nonce, operator, message, str(edition)))
    head = kubernetes_name(f"{pipeline}-{operator}", limit=LIMIT - _HASH_LENGTH - 10)
    return f"{head}-{digest}"


def workload(pipeline: str, operator: str) -> str:
    """The Deployment, ConfigMap and Service of an operator in a pipeline."""
    return kubernetes_name(pipeline, operator)


def run_nonce(uid: str) -> str:
    """The nonce of a pipeline's run, 32 hexadecimal digits; another pipeline's uid gives another.

    >>> len(run_nonce("0d7e3a52-5a0c-4b7b-a1a3-4d0c8bd7e7a9"))
    32
    """
    return hashlib.blake2b(uid.encode(), digest_size=16).hexdigest()


def run_key(uid: str, attempt: int) -> str:
    """The idempotency key of an attempt of an external run, a DNS label of at most 32 characters.

    It names the work on the other system: a Slurm job, a Kubernetes Job, a request's key.

    >>> run_key("0d7e3a52-5a0c-4b7b-a1a3-4d0c8bd7e7a9", 2)
    'xrun-c3a17345c2583943-2'
    """
    return f"xrun-{_digest((uid,))}-{attempt}"
