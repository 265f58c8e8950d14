"""An API server that only forwards ports, to an address of this machine.

It speaks what Kubernetes speaks on ``pods/NAME/portforward``: a websocket whose binary frames begin
with a channel, 0 for data and 1 for errors, each opened by a frame with the port's number.
"""

import base64
import hashlib
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlparse

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
BINARY, CLOSE = 0x2, 0x8
DATA, ERRORS = b"\0", b"\1"


@contextmanager
def api_server(address):
    """Serve; gives its URL and the paths it was asked for."""
    asked, ends = [], []

    def accept():
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return
            ends.append(end)
            threading.Thread(target=_serve, args=(end, address, asked), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        for end in ends:
            end.close()


def _serve(end, address, asked):
    with end, end.makefile("rb") as reader:
        _forward(end, reader, address, asked)


def _forward(end, reader, address, asked):
    path, headers = _request(reader)
    asked.append(urlparse(path).path)
    [port] = parse_qs(urlparse(path).query)["ports"]
    digest = hashlib.sha1(f"{headers['sec-websocket-key']}{MAGIC}".encode()).digest()  # noqa: S324
    end.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    number = struct.pack("<H", int(port))
    for channel in (DATA, ERRORS):
        end.sendall(_frame(BINARY, channel + number))
    with socket.create_connection(address) as there:
        threading.Thread(target=_answers, args=(there, end), daemon=True).start()
        for kind, payload in _frames(reader):
            if kind == CLOSE:
                end.sendall(_frame(CLOSE, payload))
                break
            assert payload[:1] == DATA
            there.sendall(payload[1:])
        there.shutdown(socket.SHUT_RDWR)  # ends the answers


def _request(reader):
    path = reader.readline().decode().split()[1]
    headers = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return path, headers


def _answers(there, end):
    with suppress(OSError):
        while data := there.recv(1 << 16):
            end.sendall(_frame(BINARY, DATA + data))


def _frame(kind, payload):
    size = len(payload)
    if size < 126:
        return bytes([0x80 | kind, size]) + payload
    if size < 1 << 16:
        return bytes([0x80 | kind, 126]) + struct.pack(">H", size) + payload
    return bytes([0x80 | kind, 127]) + struct.pack(">Q", size) + payload


def _frames(reader):
    """Kind and payload of each frame a client sends; theirs are masked."""
    while head := reader.read(2):
        size = head[1] & 0x7F
        if size == 126:
            [size] = struct.unpack(">H", reader.read(2))
        elif size == 127:
            [size] = struct.unpack(">Q", reader.read(8))
        mask, masked = reader.read(4), reader.read(size)
        whole = (mask * (size // 4 + 1))[:size]
        number = int.from_bytes(masked, "big") ^ int.from_bytes(whole, "big")
        yield head[0] & 0x0F, number.to_bytes(size, "big")
