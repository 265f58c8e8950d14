"""The same way over plain ZeroMQ, PUSH to PULL: no broker, nothing stored, nothing acknowledged.

``python -m benchmarks.zeromq worker SINK`` and ``… source WORKER BYTES`` are its processes; both end
with the process that started them.
"""

import subprocess
import sys
import time

import zmq
from interact._tether import tethered

ANY_PORT = "tcp://127.0.0.1:*"
MESSAGES_AHEAD = 512
PATIENCE_MILLISECONDS = 60_000


def rate(message_bytes: int, *, seconds: float, warm: float) -> float:
    """Messages a second that arrive through a worker.

    Raises:
        zmq.Again: If nothing comes for a minute.
    """
    with zmq.Context() as context, _socket(context, zmq.PULL) as sink:
        sink.setsockopt(zmq.RCVTIMEO, PATIENCE_MILLISECONDS)
        sink.bind(ANY_PORT)
        worker = _process("worker", sink.getsockopt_string(zmq.LAST_ENDPOINT))
        assert worker.stdout is not None
        source = _process("source", worker.stdout.readline().strip(), str(message_bytes))
        try:
            _received(sink, warm)
            began = time.monotonic()
            return _received(sink, seconds) / (time.monotonic() - began)
        finally:
            for process in (source, worker):
                process.kill()
                process.communicate()


def _received(sink: "zmq.Socket[bytes]", seconds: float) -> int:
    messages, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        sink.recv(copy=False)
        messages += 1
    return messages


def _process(*words: str) -> "subprocess.Popen[str]":
    command = tethered([sys.executable, "-m", "benchmarks.zeromq", *words])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _socket(context: "zmq.Context[zmq.Socket[bytes]]", kind: int) -> "zmq.Socket[bytes]":
    socket = context.socket(kind)
    socket.set_hwm(MESSAGES_AHEAD)
    socket.setsockopt(zmq.LINGER, 0)
    return socket


def worker(sink: str) -> None:
    """Pass messages on until killed."""
    context = zmq.Context()
    given, passed = _socket(context, zmq.PULL), _socket(context, zmq.PUSH)
    given.bind(ANY_PORT)
    passed.connect(sink)
    print(given.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    while True:
        passed.send(given.recv(copy=False), copy=False)


def source(to: str, message_bytes: str) -> None:
    """Send messages as fast as they are taken, until killed."""
    sent = _socket(zmq.Context(), zmq.PUSH)
    sent.connect(to)
    message = bytes(int(message_bytes))
    while True:
        sent.send(message, copy=False)


if __name__ == "__main__":
    {"worker": worker, "source": source}[sys.argv[1]](*sys.argv[2:])
