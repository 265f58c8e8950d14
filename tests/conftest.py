"""Settings every test shares."""

import os
import signal
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

yaml.SafeLoader = yaml.CSafeLoader  # CRDs are long, and it reads ten times as fast
pytest_plugins = ["cluster.fixtures"]

settings.register_profile(
    "suite",
    deadline=None,  # a loaded machine is no failure
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("fuzz", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

REPOSITORY = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and children inherit it: tests press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the project."""
    return REPOSITORY


@pytest.fixture(scope="session")
def measured_data() -> Path:
    """The folder of measured files that do not belong to the project."""
    folder = Path(os.environ.get("INTERACT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no folder of measured files: name one in INTERACT_TEST_DATA")
    return folder
