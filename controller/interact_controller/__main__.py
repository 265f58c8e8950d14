"""The controller: it turns Pipelines into Deployments and streams until it is ended.

It finds the API server by KUBECONFIG, else as a pod does. Everything else it is told by the
environment.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from typing import Final

import interact_controller
from interact_controller import election, logs, process, settings
from interact_controller.errors import ClusterError

STOPPED: Final = 0
FAILED: Final = 1
MISTAKEN: Final = 2
CODES: Final = {
    STOPPED: "it was ended by SIGTERM or SIGINT, and gave the Lease back",
    FAILED: "a part of it gave up; its log says why",
    MISTAKEN: "the environment or the command line is wrong",
    election.LOST: "it lost the Lease: another one may lead",
}
"""Exit codes."""

logger = logging.getLogger("interact_controller")


def main(arguments: list[str] | None = None) -> None:
    """Run the controller; does not return."""
    _parser().parse_args(arguments)
    try:
        found = settings.read(os.environ)
    except settings.SettingsError as error:
        print(f"interact-controller: {error}", file=sys.stderr)
        sys.exit(MISTAKEN)
    logs.configure(found.log, form=found.log_format)
    try:
        asyncio.run(_until_ended(found))
    except asyncio.CancelledError:
        logger.info("ended")
        sys.exit(STOPPED)
    except ClusterError as error:
        logger.critical("failed", extra={"error": str(error)})
        sys.exit(FAILED)
    except Exception:
        logger.exception("failed")
        sys.exit(FAILED)


async def _until_ended(found: settings.Settings) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if task is not None:
            task.cancel()

    def take_signals() -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, end)

    take_signals()
    await process.run(found, os.environ, take_signals)


def _parser() -> argparse.ArgumentParser:
    variables = "\n".join(
        f"  {settings.PREFIX}{one.name:22} {one.meaning}"
        + (f" (default {one.default})" if one.default else "")
        for one in settings.VARIABLES
    )
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in CODES.items())
    parser = argparse.ArgumentParser(
        prog="interact-controller",
        description=__doc__,
        epilog=f"environment:\n{variables}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=interact_controller.__version__)
    return parser


if __name__ == "__main__":
    main()
