"""A message that was read in pieces, sent once more: copied piece by piece, never whole in memory."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
from interact_api import wire

from interact import _codec
from interact._chunks import Part
from interact._codec import Pieces
from interact._streamed import Message, Streamed

Span = tuple[int, int]
"""Bytes [first, last) of a message."""


class Copied:
    """The bytes of a message, from where they are; each reading begins anew."""

    def __init__(self, head: bytes, message: Message, spans: list[Span], tail: list[Part]) -> None:
        self._head = head
        self._message = message
        self._spans = spans
        self._tail = tail

    async def parts(self) -> AsyncGenerator[Part]:
        """All of them.

        Raises:
            Unread: If they are not there any more.
        """
        yield self._head
        at = 0
        async with aclosing(self._message.parts()) as parts:
            async for part in parts:
                view = memoryview(part).cast("B")
                for begin, end in self._spans:
                    low, high = max(begin, at), min(end, at + len(view))
                    if low < high:
                        yield view[low - at : high - at]
                at += len(view)
                del part, view
        for one in self._tail:
            yield one


def pieces(part: Streamed[Any], identity: bytes, edition: int = 0) -> Pieces:
    """What `interact._codec.pieces` makes of a batch, of one that is read in pieces.

    Of images the frames that are left are copied, of anything else all of it.
    """
    message = part.message
    first, tail, arrays = message.body, list[Part](), message.arrays
    spans = [(first, message.source.size)]
    if part.kind == "dense" and len(part) != len(message.frames):
        arrays, spans, tail = _left(part)
    header = _codec.header_of(part, wire.encoded_arrays(arrays), identity, edition)
    own = message.header.attributes.get("_")
    if own is not None:
        header.attributes["_"] = own
    head = wire.prefix_and_header(header)
    size = len(head) + sum(end - begin for begin, end in spans) + sum(len(one) for one in tail)
    return Pieces(header, (), size, Copied(head, message, spans, tail))


def _left(part: Streamed[Any]) -> tuple[tuple[wire.Array, ...], list[Span], list[Part]]:
    """The arrays of some frames of images, where these lie, and what follows them."""
    message = part.message
    (place,) = (one for one in message.arrays if one.name == "data")
    each = place.size // place.shape[0]
    begin = message.body + place.offset
    numbers = np.flatnonzero(np.isin(message.frames.index, part.index)).tolist()
    spans = [(begin + number * each, begin + (number + 1) * each) for number in numbers]
    arrays = [wire.Array("data", place.dtype, (len(numbers), *place.shape[1:]), 0)]
    tail: list[Part] = []
    end = each * len(numbers)
    for name, array in (("y", part.y), ("x", part.x)):
        if array is not None:
            start = wire.aligned(end)
            tail += [bytes(start - end), np.ascontiguousarray(array).data.cast("B")]
            arrays.append(wire.Array(name, array.dtype.str, array.shape, start))
            end = start + array.nbytes
    return tuple(arrays), spans, tail
