"""How an operator process is told what to do: a few environment variables, maybe with a file."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from interact_api.config import OperatorConfig

from interact._breaker import MESSAGES
from interact._chunks import MESSAGE_BYTES
from interact._errors import SettingsError
from interact._jetstream import PING_SECONDS, WINDOW_BYTES

MAX_REPLICA = 2**31
MAX_PORT = 65_535
ANY_HOST = "0.0.0.0"  # noqa: S104  # probes come from the node
PORT_WINDOW_BYTES = 64 << 20
"""On the way into one stream from all replicas: nats-server takes 128 MiB before it refuses."""
LEAST_WINDOW_BYTES = 256 << 10
GRACE_SECONDS = 15.0
"""Half of what Kubernetes gives a pod between SIGTERM and SIGKILL."""


class Settings(msgspec.Struct, frozen=True):
    """The environment of an operator process.

    ``INTERACT_CONFIG`` is its `OperatorConfig` as JSON, or names the file with it,
    ``INTERACT_NATS_URL`` the server, ``INTERACT_NATS_TOKEN_FILE`` a file with the token it asks for.
    ``INTERACT_REPLICA`` is this replica's number; without it, ``INTERACT_POD`` (the pod's name) gives
    one where the operator is parallel. ``INTERACT_PATIENCE_SECONDS`` is how long to wait for NATS,
    the streams and the parameters at the start, ``INTERACT_GRACE_SECONDS`` the longest for what is
    under way at the end. ``INTERACT_HTTP_PORT`` and ``INTERACT_HTTP_HOST`` are where probes are
    answered; without a port they are not. ``INTERACT_BREAKER_MESSAGES`` is after how many messages in
    a row that fail with every frame no more are taken; 0 for never. ``INTERACT_NATS_PING_SECONDS`` is
    the time between pings: after two without an answer the connection is made anew. A message larger
    than ``INTERACT_MESSAGE_BYTES`` goes in chunks. ``INTERACT_SCRATCH`` is a folder that outlives the
    process; else that of the file with the configuration, or the one for temporary files.
    """

    config: OperatorConfig
    nats_url: str
    token: str | None
    replica: int
    patience: float = 10.0
    grace: float = GRACE_SECONDS
    http_host: str = ANY_HOST
    http_port: int | None = None
    breaker_messages: int = MESSAGES
    ping_seconds: int = PING_SECONDS
    message_bytes: int = MESSAGE_BYTES
    scratch: Path = msgspec.field(default_factory=lambda: Path(tempfile.gettempdir()))

    @property
    def window_bytes(self) -> int:
        """What this replica may have on its way into streams: all replicas share a bound."""
        return max(LEAST_WINDOW_BYTES, min(WINDOW_BYTES, PORT_WINDOW_BYTES // self.config.replicas))


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: If a variable or the file it names is missing or wrong.
    """
    env = os.environ if environment is None else environment
    config, name = _config(env), "INTERACT_BREAKER_MESSAGES"
    ping, message = "INTERACT_NATS_PING_SECONDS", "INTERACT_MESSAGE_BYTES"
    return Settings(
        config,
        env.get("INTERACT_NATS_URL") or "nats://127.0.0.1:4222",
        _token(env),
        _replica(env, config),
        _number(env, "INTERACT_PATIENCE_SECONDS", 10.0),
        _number(env, "INTERACT_GRACE_SECONDS", GRACE_SECONDS),
        env.get("INTERACT_HTTP_HOST") or ANY_HOST,
        _whole(env, "INTERACT_HTTP_PORT", MAX_PORT) if env.get("INTERACT_HTTP_PORT") else None,
        _whole({name: str(MESSAGES), **env}, name, MAX_REPLICA),
        max(1, _whole({ping: str(PING_SECONDS), **env}, ping, MAX_REPLICA)),
        max(1, _whole({message: str(MESSAGE_BYTES), **env}, message, MAX_REPLICA)),
        _scratch(env),
    )


def _config(env: Mapping[str, str]) -> OperatorConfig:
    given = env.get("INTERACT_CONFIG", "").strip()
    if not given:
        raise SettingsError(
            "INTERACT_CONFIG is not set: an operator is started by the controller or by "
            "`interact run`; try `interact operator try run.py --input FILE` to run one alone"
        )
    if given.startswith("{"):
        try:
            return OperatorConfig.model_validate_json(given)
        except ValueError as error:
            raise SettingsError(f"the JSON in INTERACT_CONFIG cannot be used: {error}") from error
    try:
        return OperatorConfig.model_validate_json(Path(given).read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"INTERACT_CONFIG names {given}, which cannot be used: {error}"
        ) from error


def _scratch(env: Mapping[str, str]) -> Path:
    given, config = env.get("INTERACT_SCRATCH"), env.get("INTERACT_CONFIG", "").strip()
    if given:
        return Path(given)
    beside = None if config.startswith("{") else Path(config).parent
    writable = beside is not None and os.access(beside, os.W_OK | os.X_OK)
    return beside if beside is not None and writable else Path(tempfile.gettempdir())


def _token(env: Mapping[str, str]) -> str | None:
    file = env.get("INTERACT_NATS_TOKEN_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None  # an optional Secret that nobody made
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"INTERACT_NATS_TOKEN_FILE names {file}: {error}") from error


def _replica(env: Mapping[str, str], config: OperatorConfig) -> int:
    """The number given; else one made of the pod's name where there may be several."""
    if env.get("INTERACT_REPLICA"):
        return _whole(env, "INTERACT_REPLICA", MAX_REPLICA - 1)
    pod = env.get("INTERACT_POD")
    if not pod or not config.parallel:
        return 0
    digest = hashlib.blake2b(pod.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % MAX_REPLICA


def _whole(env: Mapping[str, str], name: str, most: int) -> int:
    text = env[name]
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise SettingsError(f"{name} is {text!r}; it is a whole number from 0 to {most}")
    return int(text)


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise SettingsError(f"{name} is {text!r}; it is a number of seconds, for example 10")
    return number
