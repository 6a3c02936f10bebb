"""One process at a time in a folder; a process that dies lets go of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepstack.artifact.alone import alone
from deepstack.errors import ArtifactError

HOLD = """
import sys
from pathlib import Path
from deepstack.artifact.alone import alone
with alone(Path(sys.argv[1]), "images"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "new"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(ArtifactError, match="writes images there"), alone(tmp_path / "new", "images"):
        pass
    holder.kill()
    holder.communicate()
    with alone(tmp_path / "new", "images"):
        pass
