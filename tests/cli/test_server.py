"""A nats-server of our own: ready on entry, gone on exit, private."""

import socket
import stat
import subprocess
import sys

import psutil
import pytest
from interact import _server
from interact._errors import BrokerError

pytestmark = pytest.mark.nats


def test_a_server_is_ready_on_entry_and_gone_on_exit(tmp_path):
    with _server.nats_server(tmp_path / "nats") as server:
        said = _server.greeting(server.url)
        assert (said["jetstream"], said["auth_required"], said["max_payload"]) == (
            True,
            True,
            64 << 20,
        )
        assert server.alive
        process = psutil.Process(server.pid)

    assert not process.is_running()
    with pytest.raises(OSError):
        _server.greeting(server.url)


def test_token_and_configuration_are_for_their_owner_only(tmp_path):
    with _server.nats_server(tmp_path) as server:
        modes = [
            stat.S_IMODE(f.stat().st_mode) for f in (server.token_file, tmp_path / "nats.conf")
        ]

        assert modes == [0o600, 0o600]
        assert len(server.token) >= 32


def test_a_server_started_again_keeps_its_address_and_token(tmp_path):
    with _server.nats_server(tmp_path) as first:
        token = first.token

    with _server.nats_server(tmp_path, port=first.port) as second:
        assert (second.url, second.token) == (first.url, token)


def test_a_port_that_is_taken_is_said_in_the_servers_words():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        starting = _server.nats_server(port=port)
        with pytest.raises(BrokerError, match=f"{port}: bind: address already in use"), starting:
            pass


def test_a_program_that_is_not_there_is_named(tmp_path):
    starting = _server.nats_server(tmp_path, program=tmp_path / "absent")

    with pytest.raises(BrokerError, match=r"did not start: .*absent: No such file"), starting:
        pass


def test_a_machine_without_nats_server_is_told_where_to_get_one(tmp_path):
    with pytest.raises(_server.NoServerError, match="pip install"):
        _server.program_path(folders=(tmp_path,), search=str(tmp_path), package="no-such-package")


@pytest.mark.parametrize("version", ["2.9.25", "v2.1.0-beta.1", "1.4.1"])
def test_a_server_that_is_too_old_is_refused(version):
    with pytest.raises(_server.NoServerError, match=r"at least 2\.10 is needed"):
        _server.check_version(version, "nats://example")


def test_a_server_that_talks_something_else_is_no_nats(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"nats://127.0.0.1:{other.getsockname()[1]}"
        client = subprocess.Popen(
            [sys.executable, "-c", f"from interact._server import greeting; greeting({address!r})"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        connection, _ = other.accept()
        with connection:
            connection.sendall(b"220 mail ready\r\n")
            _, err = client.communicate(timeout=30)

    assert "does not speak the NATS protocol" in err


@pytest.mark.parametrize(
    "url", ["nats://me:secret@lab:4222", "nats://secret@lab:4222", "nats://lab:4222", "lab:4222"]
)
def test_an_address_is_shown_without_what_is_secret(url):
    assert _server.shown(url).removeprefix("nats://") == "lab:4222"
