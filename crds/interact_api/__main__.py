"""Write the CRDs and their reference pages, or say which of them are stale."""

import argparse
import sys
from pathlib import Path

from interact_api import crd, reference

ROOT = Path(__file__).resolve().parents[2]


def documents() -> dict[str, str]:
    """Every generated file: its path from the repository's root, and its text."""
    made: dict[str, str] = {}
    for kind in crd.KINDS:
        made[f"crds/{kind.name}.yaml"] = crd.document(kind)
        made[f"docs/spec/{kind.kind.lower()}.md"] = reference.page(kind)
    return made


def generate(root: Path) -> list[Path]:
    """Write the generated files; gives those that changed."""
    changed = stale(root)
    for path, text in documents().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return changed


def stale(root: Path) -> list[Path]:
    """The generated files that are not as the models say."""
    return [
        root / path
        for path, text in documents().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def release(root: Path, version: str) -> list[Path]:
    """Keep the CRDs of a release, for the compatibility test."""
    written: list[Path] = []
    for kind in crd.KINDS:
        path = root / "crds" / "released" / version / f"{kind.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(crd.document(kind), encoding="utf-8")
        written.append(path)
    return written


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m interact_api", description=__doc__)
    parser.add_argument("verb", choices=["generate", "check", "release"])
    parser.add_argument("version", nargs="?", help="of a release, for example v0.1.0")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository's root")
    given = parser.parse_args(arguments)
    if given.verb == "release":
        if not given.version:
            parser.error("release needs a version, for example v0.1.0")
        changed = release(given.root, given.version)
    else:
        changed = generate(given.root) if given.verb == "generate" else stale(given.root)
    for path in changed:
        word = (
            "is stale; run python -m interact_api generate" if given.verb == "check" else "written"
        )
        sys.stdout.write(f"{path.relative_to(given.root)} {word}\n")
    return 1 if given.verb == "check" and changed else 0


if __name__ == "__main__":
    sys.exit(main())
