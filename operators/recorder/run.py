"""Record scans into a file, message by message, to be replayed with other parameters.

Numbers: none are changed. A frame is written once, however often its message comes; frames that are
missing are recorded as such, frames that failed are left for another try.
"""

from collections.abc import Iterator
from pathlib import Path

from interact import Batch, InputError, Param, dependencies, operator
from interact.recording import Writer


class Files:
    """The file that is written to; another takes its place when the path changes."""

    def __init__(self) -> None:
        self._writer: Writer | None = None

    def at(self, path: Path, max_bytes: int) -> Writer:
        """The writer of a path."""
        if self._writer is None or self._writer.path != path:
            self.close()
            self._writer = Writer(path, max_bytes)
        self._writer.max_bytes = max_bytes
        return self._writer

    def close(self) -> None:
        """Write to none any more."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def files() -> Iterator[Files]:
    """Files that are closed at the end."""
    opened = Files()
    try:
        yield opened
    finally:
        opened.close()


@operator(name="recorder", thread=True)
@dependencies(files)
def recorder(
    frames: Batch,
    files: Files,
    *,
    path: Path = Param(description="File to record into; made, or added to if it is a recording."),
    max_gigabytes: float = Param(
        100.0, unit="GB", minimum=0, description="What the file may grow to."
    ),
) -> None:
    """Record every scan that comes into a file."""
    if path.suffix.lower() in {".h5", ".hdf5", ".npy", ".npz", ".mib", ".mrc"}:
        raise InputError(f"{path.name} would look like another format; call it .scans, for example")
    if frames.stop > frames.start:
        files.at(path, int(max_gigabytes * 1e9)).add(frames)


if __name__ == "__main__":
    recorder.main()
