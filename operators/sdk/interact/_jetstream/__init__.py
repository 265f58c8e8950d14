"""The SDK's one door to NATS: windowed publishing, continuous pulling, the state bucket."""

from interact._jetstream import _first as _first  # before all others  # isort: split
from interact._jetstream._connection import PING_SECONDS, JetStream, connect
from interact._jetstream._pull import PREFETCH_MESSAGES
from interact._jetstream._stored import StoredMessage, count, put, remove, stored
from interact._jetstream._window import WINDOW_BYTES

__all__ = [
    "PING_SECONDS",
    "PREFETCH_MESSAGES",
    "WINDOW_BYTES",
    "JetStream",
    "StoredMessage",
    "connect",
    "count",
    "put",
    "remove",
    "stored",
]
