"""How an operator process logs: a line for people, or a JSON object a line for what gathers logs."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from interact._errors import SettingsError

FORMATS: Final = ("text", "json")
_KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Fields of every record; what else there is was given as ``extra``."""
_LONGEST: Final = 4000


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, whose process it is, and the facts.

    Attributes:
        about: What every line says: operator, pipeline, replica.
    """

    def __init__(self, about: Mapping[str, object]) -> None:
        super().__init__()
        self.about = dict(about)

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message and its traceback have in them."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.about,
        }
        told.update((key, value) for key, value in vars(record).items() if key not in _KNOWN)
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(told, default=str, separators=(",", ":"))


def configure(
    operator: str, environment: Mapping[str, str], stream: TextIO | None = None
) -> JsonFormatter | None:
    """Log to standard error as ``INTERACT_LOG`` (a level) and ``INTERACT_LOG_FORMAT`` say.

    Returns:
        The formatter of JSON lines, to be told more; None where people read the lines.

    Raises:
        SettingsError: If a variable is wrong.
    """
    form = environment.get("INTERACT_LOG_FORMAT") or FORMATS[0]
    level = (environment.get("INTERACT_LOG") or "INFO").upper()
    if form not in FORMATS:
        raise SettingsError(f"INTERACT_LOG_FORMAT is {form!r}; it is {' or '.join(FORMATS)}")
    if level not in logging.getLevelNamesMapping():
        raise SettingsError(f"INTERACT_LOG is {level!r}; it is DEBUG, INFO, WARNING or ERROR")
    made = JsonFormatter({"operator": operator}) if form == "json" else None
    handler = logging.StreamHandler(stream or sys.stderr)
    plain = logging.Formatter(f"%(asctime)s %(levelname)s {operator}: %(message)s")
    handler.setFormatter(made or plain)
    logging.basicConfig(level=level, handlers=[handler])
    return made
