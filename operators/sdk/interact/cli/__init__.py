"""The command ``interact``."""


def main() -> None:
    """Run the command line."""
    from interact.cli.app import main as run_app

    run_app()
