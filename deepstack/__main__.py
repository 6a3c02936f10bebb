"""`python -m deepstack` and the console script: an interrupt ends both quietly, in their imports and in training."""

import os
import sys
from typing import NoReturn


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; exit codes are those of `deepstack.cli.app.main`, which comes in here and no earlier.

    Args:
        arguments: those of the process by default.
    """
    code: str | int | None = 0
    try:
        from deepstack.cli.app import main as run_command

        run_command(arguments)
    except KeyboardInterrupt:
        code = 130
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, int) and code != 0:
        # Work that was broken off leaves TensorFlow's threads running; Python's own shutdown under them may abort.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
