"""Run the examples, compare their pictures with references, and leave one sheet of them.

``python -m examples --images out`` is what ``make run`` does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from examples import _comparisons, _sheets, _table
from examples._saved import MissingPictureError, forget

HERE = Path(__file__).resolve().parent
MEASURED = ("xray", "ebsd")
PICTURES = ("com", "dpc", "fields", "pattern")
RUN_SECONDS = 300
"""A run that takes longer than this is ended; it is meant to take ten."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; the exit code of the first thing that failed, 1 if a comparison did."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("--images", type=Path, default=Path("out"), help="folder of the pictures")
    parser.add_argument("--fast", action="store_true", help="do not pace the simulated scan")
    options = parser.parse_args(arguments)
    folder: Path = options.images
    since = time.monotonic()
    for name in ("srtio3", *MEASURED):
        forget(folder / name, PICTURES)
    forget(folder, ["sheet"])
    pace = ["--set", "reader.rate=0"] if options.fast else []
    code = _run(["srtio3"], folder / "srtio3", pace) or _run(MEASURED, folder)
    if code:
        return code
    try:
        rows = compared(folder)
        (folder / "sheet.png").write_bytes(_sheets.srtio3(folder / "srtio3"))
    except MissingPictureError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{_table.table(rows)}\n")
    print(f"{_table.verdict(rows)}; {time.monotonic() - since:.0f} s")
    print(
        f"one sheet of the simulated scan: {folder / 'sheet.png'}; all pictures: {folder}/*/*.png"
    )
    return _table.exit_code(rows)


def compared(folder: Path) -> list[_table.Row]:
    """The pictures of all examples against their references.

    Args:
        folder: What ``--images`` named.

    Raises:
        MissingPictureError: If a run left a picture out.
    """
    rows = _comparisons.simulated(HERE / "srtio3", folder / "srtio3")
    for name in MEASURED:
        rows += _comparisons.measured(name, HERE / name, folder / name)
    return rows


def _run(names: Sequence[str], folder: Path, options: Sequence[str] = ()) -> int:
    """Run pipelines as a person would on a terminal; the exit code of ``interact run``."""
    files = [os.path.relpath(HERE / name / "pipeline.yaml") for name in names]
    shown = ["interact", "run", *files, "--images", str(folder), *options]
    print(f"\n$ {' '.join(shown)}", flush=True)
    command = [str(Path(sys.executable).with_name("interact")), *shown[1:]]
    try:
        return subprocess.run(command, check=False, timeout=RUN_SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"ended: it took more than {RUN_SECONDS} s", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
