"""One small run through the command line, made once, for every test that needs a finished artifact."""

import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["c_library"]
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # before anything imports numba: compiling pyts takes a minute

ROOT = Path(__file__).resolve().parents[1]

TINY = """\
name: tiny
seed: 5
data:
  synthetic: {symbols: 2, bars: 5000, interval: 1h, edge: 1.0}
model:
  name: ultimate
  options: {width: 16, res_blocks_per_unit: [3], dense_blocks_per_unit: [2], growth: 4, attention_scales: [1, 4]}
training:
  strategy: none
  jit_compile: false
  learning_rate: 0.01
  epochs: 3
  batch_size: 64
  checkpoint_every_steps: 1
evaluation:
  bootstrap_resamples: 200
  permutation_rows: 100
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests first, so that no process is left with them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="module", autouse=True)
def nothing_old_is_searched_for_garbage() -> Iterator[None]:
    """What a module leaves behind stays: networks of many modules make each later collection take seconds."""
    yield
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Finished:
    """A finished run.

    Attributes:
        folder: the artifact.
        config_file: what it was made from.
        output: what the command printed on stdout.
    """

    folder: Path
    config_file: Path
    output: str

    @cached_property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "report.json").read_text())

    @cached_property
    def market(self) -> Any:
        """The candles it was made from, made again."""
        from deepstack.candles.synthetic import make_market
        from deepstack.config.read import read_config

        config = read_config(self.config_file)
        return make_market(config.data.synthetic, config.seed)


def deepstack_command(*arguments: str) -> list[str]:
    """The command line, in an interpreter of its own."""
    return [sys.executable, "-m", "deepstack", *arguments]


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """(name, make) → the folder that `make` fills, once for all processes of the tests; nobody may write into it."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made_once"

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        shared.mkdir(exist_ok=True)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def finished(made_once: MadeOnce) -> Finished:
    """`deepstack run` of the tiny config; nobody may write into its folder."""

    def make(place: Path) -> None:
        (place / "tiny.yaml").write_text(TINY)
        command = deepstack_command("run", str(place / "tiny.yaml"), "--yes", "--out", str(place / "artifacts"))
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert done.returncode == 0, done.stderr
        (place / "output").write_text(done.stdout)

    place = made_once("finished", make)
    (folder,) = (place / "artifacts").glob("tiny-*")
    return Finished(folder, place / "tiny.yaml", (place / "output").read_text())
