"""Large messages are read in the place where they stay, however the network cuts them."""

import random

import pytest
from interact._jetstream._frugal import LARGE_BYTES, FrugalParser, FrugalTransport


class Received:
    """What a connection is told by its parser."""

    def __init__(self):
        self.messages = []

    async def _process_msg(self, sid, subject, reply, data, headers):
        self.messages.append((sid, bytes(subject), bytes(reply), data, headers))

    async def _process_pong(self):
        self.messages.append("pong")


def message(number, size, *, head=b"", reply=b""):
    """A message on the wire, and what is to be told of it."""
    payload = bytes([number]) * size
    subject = b"a.%d" % number
    words = [b"HMSG" if head else b"MSG", subject, b"7"] + ([reply] if reply else [])
    sizes = [b"%d" % len(head)] if head else []
    line = b" ".join([*words, *sizes, b"%d" % (len(head) + size)])
    told = (7, subject, reply, payload, head or None)
    return line + b"\r\n" + head + payload + b"\r\n", told


HEAD = b"NATS/1.0\r\nNats-Sequence: 3\r\n\r\n"
SENT = [
    message(1, 10),
    message(2, LARGE_BYTES, reply=b"r.1"),
    message(3, LARGE_BYTES + 1, head=HEAD),
    message(4, 0),
    message(5, 3 * LARGE_BYTES, head=HEAD, reply=b"r.2"),
    message(6, LARGE_BYTES - 1),
    message(7, 2 * LARGE_BYTES),
    (b"PONG\r\n", "pong"),
]


@pytest.mark.parametrize("most", [100, 5_000, 300_000, 1 << 20], ids="{} bytes".format)
async def test_messages_are_whole_however_they_are_cut(most):
    dice = random.Random(most)
    wire = b"".join(sent for sent, _ in SENT)
    received = Received()
    parser = FrugalParser(received)

    at = 0
    while at < len(wire):
        size = dice.randint(1, most)
        await parser.parse(wire[at : at + size])
        at += size

    assert received.messages == [told for _, told in SENT]
    assert all(isinstance(one[3], bytes) for one in received.messages[:-1])


@pytest.mark.parametrize("left", [1, 2, 3], ids="{} bytes before the end".format)
async def test_the_end_of_a_line_may_come_alone(left):
    wire, told = message(1, LARGE_BYTES)
    received = Received()
    parser = FrugalParser(received)

    await parser.parse(wire[:-left])
    assert received.messages == []
    await parser.parse(wire[-left:])

    assert received.messages == [told]


async def test_a_new_connection_begins_with_a_new_message():
    wire, told = message(1, LARGE_BYTES)
    received = Received()
    parser = FrugalParser(received)

    await parser.parse(wire[: len(wire) // 2])
    parser.reset()
    await parser.parse(wire)

    assert received.messages == [told]


def test_parts_are_written_in_their_order_and_large_ones_as_they_are():
    written = []

    class Writer:
        write = written.append

    transport = FrugalTransport()
    transport._io_writer = Writer()
    large = bytes(LARGE_BYTES)
    transport.writelines([b"a", b"b", large, b"c", b"d"])

    assert [bytes(part) for part in written] == [b"ab", large, b"cd"]
    assert written[1].obj is large
