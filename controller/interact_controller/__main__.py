"""Say the controller's version."""

import interact_controller


def main() -> None:
    """Print the version of this distribution."""
    print(f"interact-controller {interact_controller.__version__}")


if __name__ == "__main__":
    main()
