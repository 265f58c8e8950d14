"""How an operator process is told what to do: a few environment variables and one file."""

import os
from pathlib import Path

import msgspec
from interact_api.config import OperatorConfig

from interact._errors import SettingsError


class Settings(msgspec.Struct, frozen=True):
    """The environment of an operator process.

    ``INTERACT_CONFIG`` names the file with its `OperatorConfig` (JSON), ``INTERACT_NATS_URL`` the
    server, ``INTERACT_NATS_TOKEN_FILE`` a file with the token it asks for, ``INTERACT_REPLICA``
    this replica's number, ``INTERACT_PATIENCE_SECONDS`` how long to wait for the first connection.
    """

    config: OperatorConfig
    nats_url: str
    token: str | None
    replica: int
    patience: float = 10.0


def settings(environment: dict[str, str] | None = None) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: If a variable or the file it names is missing or wrong.
    """
    env = dict(os.environ) if environment is None else environment
    path = env.get("INTERACT_CONFIG")
    if not path:
        raise SettingsError(
            "INTERACT_CONFIG is not set: an operator is started by the controller or by "
            "`interact run`; try `interact operator try run.py --input FILE` to run one alone"
        )
    try:
        config = OperatorConfig.model_validate_json(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"INTERACT_CONFIG names {path}, which cannot be used: {error}"
        ) from error
    token_file = env.get("INTERACT_NATS_TOKEN_FILE")
    token = Path(token_file).read_text(encoding="utf-8").strip() if token_file else None
    return Settings(
        config,
        env.get("INTERACT_NATS_URL", "nats://127.0.0.1:4222"),
        token,
        int(env.get("INTERACT_REPLICA", "0")),
        float(env.get("INTERACT_PATIENCE_SECONDS", "10")),
    )
