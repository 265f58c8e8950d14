"""A port of this machine that leads somewhere else."""

import logging
import socket
import threading

import pytest
from interact.cli.cluster import forwarding
from interact.cli.cluster.api import ApiError

SECONDS = 10


@pytest.fixture
def shout():
    """The address of a server that sends back what it is sent, in capitals."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends = []

        def serve():
            while True:
                try:
                    end, _ = server.accept()
                except OSError:
                    return
                ends.append(end)
                threading.Thread(target=answer, args=(end,), daemon=True).start()

        def answer(end):
            while data := end.recv(1 << 16):
                end.sendall(data.upper())
            end.close()

        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        accepting.join(SECONDS)
        for end in ends:
            end.close()


def said(end, size):
    text = b""
    while len(text) < size:
        text += end.recv(1 << 16)
    return text


def asked(end):
    """What a letter is answered with; nothing where the connection is closed or reset."""
    with end:
        try:
            end.sendall(b"a")
            return end.recv(1)
        except ConnectionError:
            return b""


def test_every_connection_has_a_tunnel_of_its_own(shout):
    with forwarding.forwarded(lambda: socket.create_connection(shout)) as port:
        ends = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(3)]
        for number, end in enumerate(ends):
            end.sendall(b"abc" * (number + 1))

        heard = [said(end, 3 * (number + 1)) for number, end in enumerate(ends)]
        for end in ends:
            end.close()

    assert heard == [b"ABC", b"ABCABC", b"ABCABCABC"]


def test_much_passes_both_ways(shout):
    sent = b"x" * (8 << 20)
    with forwarding.forwarded(lambda: socket.create_connection(shout)) as port:
        end = socket.create_connection(("127.0.0.1", port), SECONDS)
        sending = threading.Thread(target=end.sendall, args=(sent,))
        sending.start()

        heard = said(end, len(sent))
        sending.join(SECONDS)
        end.close()

    assert heard == sent.upper()


def test_connections_and_the_port_end_with_the_block(shout):
    with forwarding.forwarded(lambda: socket.create_connection(shout)) as port:
        end = socket.create_connection(("127.0.0.1", port), SECONDS)
        end.sendall(b"a")
        said(end, 1)

    assert end.recv(1) == b""
    end.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), SECONDS)


def test_a_tunnel_that_is_refused_is_told_before_the_port_is_there():
    def refuse():
        raise ApiError(403, "pods/portforward is forbidden")

    with pytest.raises(ApiError, match="forbidden"), forwarding.forwarded(refuse):
        raise AssertionError("there is no way")


def test_a_later_tunnel_that_is_refused_closes_its_connection_and_says_why(shout, caplog):
    ways = [socket.create_connection(shout)]

    def first():
        if ways:
            return ways.pop()
        raise ApiError(0, "https://a: Connection refused")

    with caplog.at_level(logging.WARNING), forwarding.forwarded(first) as port:
        ends = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(2)]
        heard = [asked(end) for end in ends]

    assert sorted(heard) == [b"", b"A"]
    assert "no way through the API server: https://a: Connection refused" in caplog.text


def test_a_server_that_hangs_up_is_told_to_the_client():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        forwarding.forwarded(lambda: socket.create_connection(server.getsockname())) as port,
    ):
        theirs, _ = server.accept()
        with socket.create_connection(("127.0.0.1", port), SECONDS) as end:
            theirs.sendall(b"bye")
            theirs.close()
            heard = said(end, 3) + end.recv(1)

    assert heard == b"bye"
