"""``python -m benchmarks [NAME…] [--quick] [--output json]``: measured ratios, each from one run."""

import argparse
import importlib
import json
import os
import sys
import traceback
from typing import Final

from interact.cli.processes import ENVIRONMENT

BENCHES: Final = {
    "inline": "what the SDK adds to a message, without a network",
    "header": "bytes of a message that are not data",
    "kernels": "centre of mass of dense and sparse frames",
    "wire": "messages of 40 KB and 663 KB through three processes",
    "latency": "the age of a frame behind a worker",
    "live": "a parameter in effect, a trigger answered",
    "growth": "more replicas, longer chains",
    "counted": "counted frames to a map at camera rate",
    "memory": "resident memory of an endless pipeline",
    "recovery": "one of four replicas is killed",
    "controller": "a thousand pipelines applied at once",
    "external": "two thousand external runs at once under a cap",
}


def main(argv: list[str] | None = None) -> int:
    """Run benches; 0 whatever they find, 1 if one breaks."""
    listing = "\n".join(f"  {name:10} {text}" for name, text in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=f"benches:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="benches to run; all without")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - set(BENCHES)
    if unknown:
        parser.error(f"no bench {sorted(unknown)[0]!r}; there are {', '.join(BENCHES)}")
    broken = 0
    for name in arguments.names or BENCHES:
        try:
            table = importlib.import_module(f"benchmarks.{name}").bench(quick=arguments.quick)
        except Exception:
            traceback.print_exc()
            broken += 1
            continue
        text = json.dumps(table.json()) if arguments.output == "json" else f"{table}\n"
        print(text, flush=True)
    return 1 if broken else 0


def tuned() -> None:
    """Start again with the memory settings operators run with, so that all sides have them."""
    missing = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    if missing:
        os.environ.update(missing)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    tuned()
    sys.exit(main())
