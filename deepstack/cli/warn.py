"""What every command says that lets an artifact decide."""

import sys

from deepstack.artifact.earned import unprofitable
from deepstack.artifact.load import Artifact


def warn_if_unprofitable(opened: Artifact) -> None:
    """One line on stderr where no threshold earned anything on validation: its decisions are not worth following."""
    if barren := unprofitable(opened):
        where = "" if barren == ("won",) else f" for {', '.join(barren)}"
        print(
            f"warning: no threshold earned anything on validation{where}: positions are suggestions of proportion only",
            file=sys.stderr,
        )
