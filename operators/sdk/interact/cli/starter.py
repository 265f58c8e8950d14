"""The files a new operator begins with."""

import keyword
import re
import sys
from pathlib import Path

from interact import _main, _spec
from interact.cli.exits import CommandError, Exit

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")

RUN = '''"""{title}: say in one sentence what it does."""

from interact import DenseFrames, Param, Values, operator


@operator(parallel=True)
def {function}(
    frames: DenseFrames,
    *,
    threshold: float = Param(0.0, unit="counts", minimum=0, description="Pixels above it count."),
) -> Values:
    """Count the pixels above a threshold and sum them, for each frame."""
    above = frames.data > threshold
    return frames.values(
        pixels=above.sum(axis=(1, 2)),
        counts=(frames.data * above).sum(axis=(1, 2)),
        units={{"pixels": "px", "counts": "counts"}},
    )


if __name__ == "__main__":
    {function}.main()
'''

TEST = '''"""{title}: what it must do."""

import runpy
from pathlib import Path

from interact.testing import frames, run

{function} = runpy.run_path(str(Path(__file__).with_name("run.py")))["{function}"]


def test_pixels_above_the_threshold_count():
    scan = frames(shape=(3, 4, 20, 30), disk=(8, 19, 5))

    values = run({function}, scan, threshold=2)

    assert values.pixels.tolist() == [int((image > 2).sum()) for image in scan.data]
    assert values.counts.tolist() == [int(image[image > 2].sum()) for image in scan.data]
'''

CONTAINERFILE = """\
ARG BASE=interact/sdk:latest
FROM ${BASE}
COPY run.py operator.yaml /app/
USER 65532
ENTRYPOINT ["python", "-m", "interact", "/app/run.py"]
"""


def create(name: str, parent: Path) -> list[Path]:
    """Write the folder of a new operator.

    Args:
        name: Its name, as pipelines will use it.
        parent: Where the folder goes.

    Returns:
        The files, the one to edit first.

    Raises:
        CommandError: If the name is no name, or the folder exists.
    """
    function = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > 63 or keyword.iskeyword(function):
        raise CommandError(
            Exit.USAGE,
            f"{name!r} is no operator's name: small letters, digits and -, as in bright-field",
        )
    folder = parent / name
    if folder.exists():
        raise CommandError(Exit.USAGE, f"{folder} exists; choose another name or remove it")
    words = {"function": function, "title": name.replace("-", " ").capitalize()}
    files = {
        "run.py": RUN.format(**words),
        f"test_{function}.py": TEST.format(**words),
        "Containerfile": CONTAINERFILE,
    }
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        document = _spec.document(_main.found(folder / "run.py"))
    finally:
        sys.dont_write_bytecode = write_bytecode
    (folder / "operator.yaml").write_text(document, encoding="utf-8")
    return [folder / file for file in (*files, "operator.yaml")]
