"""One JSON object a line, on standard error: for people and for what gathers logs."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

_KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Fields of every record; what else there is was given as ``extra``."""
_LONGEST: Final = 4000
_QUIET: Final = ("kopf", "asyncio", "nats", "urllib3", "aiohttp")
"""Libraries that tell their daily life at INFO."""


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = {key: value for key, value in vars(record).items() if key not in _KNOWN}
        told.update(facts)
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(told, default=str, separators=(",", ":"))


def configure(level: str, stream: TextIO | None = None) -> None:
    """Log to standard error, or to another stream."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
