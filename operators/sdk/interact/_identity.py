"""Names of messages: the same for every try, never the same for two messages."""

from functools import lru_cache
from hashlib import blake2b


def identity(run: str, operator: str, port: str, parent: bytes, number: int = 0) -> bytes:
    """Sixteen bytes that name one output for good.

    Args:
        run: The run's nonce; a rerun makes other names.
        operator: Who sends.
        port: By which output.
        parent: Identity of the message it was made of; a source's scan and index.
        number: Counts outputs of one port for one parent.
    """
    digest = _begun(run, operator, port).copy()
    digest.update(number.to_bytes(8, "little") + parent)
    return digest.digest()


@lru_cache(maxsize=256)
def _begun(run: str, operator: str, port: str) -> blake2b:
    """What all messages of a port share; copied, never changed."""
    digest = blake2b(digest_size=16, key=run.encode()[:64])
    digest.update(b"\0".join((operator.encode(), port.encode(), b"")))
    return digest
