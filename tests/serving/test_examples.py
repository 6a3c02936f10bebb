"""The scripts that ask a server, run as their users run them."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from running_server import FEATURES, Running

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_over_grpc_with_the_api_package_alone(served: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deepstack.py").write_text("raise AssertionError('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "probability 0." in run(sys.executable, EXAMPLES / "ask_over_grpc.py", served.grpc, "net")


def test_over_rest_with_curl(served: Running) -> None:
    found = run(EXAMPLES / "ask_over_rest.sh", served.rest.removeprefix("http://"), "net", FEATURES)
    assert '"AVAILABLE"' in found and '"predictions"' in found


@pytest.mark.skipif(find_spec("ovmsclient") is None, reason="ovmsclient is not installed")
def test_with_a_client_of_others(served: Running) -> None:
    found = run(sys.executable, EXAMPLES / "ask_with_ovmsclient.py", served.grpc, "net")
    assert "AVAILABLE" in found and "probability" in found
