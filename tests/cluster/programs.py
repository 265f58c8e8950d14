"""What the pods of the test node's own tests run."""

import http.server
import os
import signal
import sys
from pathlib import Path


class Answers(http.server.BaseHTTPRequestHandler):
    """200 to everything, but 503 to ``/x`` once there is a file ``no-x``."""

    def do_GET(self) -> None:
        self.send_response(503 if Path("no-" + self.path.strip("/")).exists() else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print no line for each probe."""


def serve() -> None:
    """Answer probes until told to end; then end well."""
    address = (os.environ["INTERACT_HTTP_HOST"], int(os.environ.get("PORT", "9090")))
    with http.server.ThreadingHTTPServer(address, Answers) as server:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        print("serving", flush=True)
        server.serve_forever()


def ignore() -> None:
    """Ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ignoring", flush=True)
    signal.pause()


def show() -> None:
    """Print what is asked for in the arguments: ``$NAME`` of the environment, or a file."""
    for one in sys.argv[2:]:
        print(os.environ.get(one[1:]) if one.startswith("$") else Path(one).read_text(), flush=True)
    signal.pause()


def fail() -> None:
    """End with code 3."""
    sys.exit(3)


if __name__ == "__main__":
    {"serve": serve, "ignore": ignore, "show": show, "fail": fail}[sys.argv[1]]()
