"""Starting an operator from its file: ``python run.py``, or ``python -m interact run.py``."""

import argparse
import importlib.util
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from interact._errors import (
    BatchError,
    InputError,
    InteractError,
    OperatorError,
    SettingsError,
    TooLarge,
)
from interact._operator import Operator

logger = logging.getLogger("interact")

OK, FAILED, USAGE, BROKEN = 0, 1, 2, 3
PERMANENT = (InputError, OperatorError, SettingsError, BatchError, TooLarge)
"""What ends a process with USAGE: started again it would end the same way."""


TERMINATION_LOG = "/dev/termination-log"
MOST_LAST_WORDS = 4000
"""Bytes; the kubelet reads 4096."""


def found(path: Path) -> Operator:
    """The one operator a file defines.

    Raises:
        OperatorError: If the file cannot be imported, or defines none or several.
    """
    folder = path.resolve().parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    specification = importlib.util.spec_from_file_location(f"_operator_{folder.name}", path)
    if specification is None or specification.loader is None or not path.exists():
        raise OperatorError(f"{path} is not a Python file that exists; name an operator's run.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    try:
        specification.loader.exec_module(module)
    except OperatorError:
        raise
    except (Exception, SystemExit) as error:  # an import that exits would say nothing
        raise OperatorError(
            f"{path} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    operators = [value for value in vars(module).values() if isinstance(value, Operator)]
    own = list({id(operator): operator for operator in operators}.values())
    if len(own) != 1:
        names = ", ".join(operator.name for operator in own) or "none"
        raise OperatorError(f"{path} defines {names}; a file defines exactly one operator")
    return own[0]


def serve_or_describe(
    operator: Operator, argv: list[str] | None = None, *, file: Path | None = None
) -> None:
    """Run an operator, or print its YAML with ``--describe``; exits the process."""
    from interact import _spec

    parser = argparse.ArgumentParser(prog=operator.name, description=operator.description)
    parser.add_argument("--describe", action="store_true", help="print the operator's YAML and end")
    parser.add_argument("--image", default="", help="the image to name in it")
    arguments = parser.parse_args(argv)
    if arguments.describe:
        sys.stdout.write(_spec.document(operator, image=arguments.image))
        sys.exit(OK)
    sys.exit(_serve(operator, file or _file_of(operator)))


def _serve(operator: Operator, file: Path) -> int:
    from interact import _logs, _runtime, _settings, _spec

    status = OK
    raised: list[BaseException] = []
    lines: _logs.JsonFormatter | None = None
    try:
        lines = _logs.configure(operator.name, os.environ)
        beside = file.parent / "operator.yaml"
        if beside.exists():
            _spec.compare(operator, beside)
        settings = _settings.settings()
        if lines is not None:
            config = settings.config
            lines.about.update(
                operator=config.operator, pipeline=config.pipeline, replica=settings.replica
            )
        _runtime.run(operator, settings)
    except* (InteractError, OSError) as errors:
        raised = leaves(errors)
        for error in raised:
            logger.error(
                "%s", error, exc_info=error if logger.isEnabledFor(logging.DEBUG) else None
            )
        status = USAGE if any(isinstance(error, PERMANENT) for error in raised) else FAILED
    except* Exception as errors:
        last_words(*leaves(errors))
        if lines is None:
            raise
        logger.critical("failed", exc_info=errors)  # one line, not a traceback of many
        status = FAILED
    if raised:
        last_words(*raised)
    return status


def last_words(*errors: BaseException) -> None:
    """Write why the process ends, on one line, to where Kubernetes looks for it."""
    given = os.environ.get("INTERACT_TERMINATION_LOG")
    path = Path(given or TERMINATION_LOG)
    if not given and not os.access(path, os.W_OK):
        return
    words = "; ".join(
        str(error) if isinstance(error, InteractError) else f"{type(error).__name__}: {error}"
        for error in errors
    )
    line = " ".join(words.split()).encode()[:MOST_LAST_WORDS].decode(errors="ignore")
    with suppress(OSError):
        path.write_text(line + "\n", encoding="utf-8")


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group of groups."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _file_of(operator: Operator) -> Path:
    return Path(sys.modules[operator.function.__module__].__file__ or "run.py")
