"""One nats-server for the tests of a module."""

import pytest
from interact._server import nats_server


@pytest.fixture(scope="module")
def server():
    with nats_server() as running:
        yield running
