"""`python -m deepstack` and the console script: an interrupt ends both quietly even while they still import."""

import sys
from typing import NoReturn


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; exit codes are those of `deepstack.cli.app.main`, which comes in here and no earlier.

    Args:
        arguments: those of the process by default.
    """
    try:
        from deepstack.cli.app import main as run_command

        run_command(arguments)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
