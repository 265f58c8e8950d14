"""The process of an external operator in a pipeline: ``python -m interact.external_relay``."""

import logging
import os
import sys

from interact import _logs, _main, _relaying, _runtime, _settings
from interact._errors import InteractError, SettingsError

logger = logging.getLogger(__name__)


def main() -> int:
    """Relay messages until SIGTERM; the exit code."""
    raised: list[BaseException] = []
    lines = _logs.configure("external-relay", os.environ)
    try:
        settings = _settings.settings()
        config = settings.config
        if not config.most_runs:
            raise SettingsError(
                f"operator {config.operator} is not external: start its own image's entry point"
            )
        if lines is not None:
            lines.about.update(
                operator=config.operator, pipeline=config.pipeline, replica=settings.replica
            )
        _runtime.run(_relaying.operator(config), settings)
    except* (InteractError, OSError) as errors:
        raised = _main.leaves(errors)
    for error in raised:
        logger.error("%s", error)
    if not raised:
        return _main.OK
    _main.last_words(*raised)
    permanent = any(isinstance(error, _main.PERMANENT) for error in raised)
    return _main.USAGE if permanent else _main.FAILED


if __name__ == "__main__":
    sys.exit(main())
