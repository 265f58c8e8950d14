"""What is logged, on standard error: one JSON object a line, or text for people."""

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


TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextFormatter(logging.Formatter):
    """A line for people; the facts follow the message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it if there is one."""
        facts = {key: value for key, value in vars(record).items() if key not in _KNOWN}
        first, *rest = super().format(record).split("\n", 1)
        told = " ".join([first, *(f"{key}={value}" for key, value in facts.items())])
        return "\n".join([told, *rest])


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


def configure(level: str, stream: TextIO | None = None, *, form: str = "json") -> None:
    """Log to standard error, or to another stream; ``form`` is json or text."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
