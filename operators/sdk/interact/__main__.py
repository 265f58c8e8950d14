"""``python -m interact run.py``: what a container and the local runner start."""

import sys
from pathlib import Path

from interact import _main
from interact._errors import OperatorError


def main() -> None:
    """Run the operator that a file defines."""
    if len(sys.argv) < 2:
        sys.stderr.write("name an operator's file: python -m interact run.py [--describe]\n")
        sys.exit(_main.USAGE)
    path = Path(sys.argv[1])
    try:
        operator = _main.found(path)
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        _main.last_words(error)
        sys.exit(_main.BROKEN)
    _main.serve_or_describe(operator, sys.argv[2:], file=path)


if __name__ == "__main__":
    main()
