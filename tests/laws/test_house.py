"""The laws of the house itself: who imports whom, what stays light, what may never be written, what must be listed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "deepstack"
SOURCES = sorted(path for path in HOUSE.rglob("*.py") if "__pycache__" not in path.parts)
HEAVY = {"tensorflow", "keras", "pandas", "sklearn", "matplotlib"}

MAY_OPEN_PICKLES = HOUSE / "artifact" / "load.py"
PICKLE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_NAMES = {"Lambda", "enable_unsafe_deserialization", "read_pickle"}

NOT_FEATURE_GROUPS = {"feature", "bars", "catalogue", "table", "scale", "screen", "select", "docs"}
MAX_LINES = 320


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """Every module a file imports or names in a string, dotted."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.partition(":")[0])
    return found


def unsafe(path: Path) -> Iterator[str]:
    """What a file does that could run code hidden in a model, a pickle or a string."""
    for node in ast.walk(tree(path)):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in FORBIDDEN_NAMES:
            yield f"line {node.lineno}: {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: {module}" for module in modules if module in PICKLE_MODULES)
            if isinstance(node, ast.ImportFrom) and node.module == "joblib":
                yield from (f"line {node.lineno}: joblib.load" for alias in node.names if alias.name == "load")
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in FORBIDDEN_CALLS:
                yield f"line {node.lineno}: {function.id}"
            if ast.unparse(function) == "joblib.load":
                yield f"line {node.lineno}: joblib.load"
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if (keyword.arg, value) in (("allow_pickle", True), ("safe_mode", False)):
                    yield f"line {node.lineno}: {keyword.arg}={value}"


def loaded_by(code: str) -> set[str]:
    script = f"import atexit, sys; atexit.register(lambda: print('\\n', *sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import deepstack",
        "from deepstack.cli.app import main; main(['--help'])",
        "from deepstack.cli.app import main; main(['run', '--help'])",
    ],
)
def test_looking_around_loads_nothing_heavy(code: str) -> None:
    assert not HEAVY & loaded_by(code)


@pytest.mark.parametrize("room", ["config", "candles", "features", "labels", "evaluation"])
def test_the_light_rooms_load_no_tensorflow(room: str) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((HOUSE / room).rglob("*.py"))
        if path.stem != "__init__"
    ]
    assert not {"tensorflow", "keras"} & loaded_by("; ".join(f"import {module}" for module in modules))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_nothing_unsafe_is_written(path: Path) -> None:
    found = [line for line in unsafe(path) if not (path == MAY_OPEN_PICKLES and line.endswith("joblib.load"))]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "keras.layers.Lambda(f)",
        "from keras.layers import Lambda; Lambda(f)",
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from pickle import loads",
        "import joblib; joblib.load(p)",
        "from joblib import load",
        "np.load(p, allow_pickle=True)",
        "pd.read_pickle(p)",
        "keras.models.load_model(p, safe_mode=False)",
    ],
)
def test_the_scan_sees_what_it_must(source: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(source)
    assert list(unsafe(tmp_path / "x.py"))


def test_every_architecture_is_in_the_catalogue() -> None:
    listed = imported(HOUSE / "models" / "catalogue.py")
    files = [path for path in (HOUSE / "models").glob("*/*.py") if not path.stem.startswith("_")]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    assert not [module for module in modules if module not in listed]


def test_every_feature_group_is_in_the_catalogue() -> None:
    listed = imported(HOUSE / "features" / "catalogue.py")
    groups = {path.stem for path in (HOUSE / "features").glob("*.py") if not path.stem.startswith("_")}
    assert not [name for name in sorted(groups - NOT_FEATURE_GROUPS) if f"deepstack.features.{name}" not in listed]


def test_no_file_holds_two_ideas() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {path: lines for path, lines in lengths.items() if lines > MAX_LINES}
    assert not [path for path in SOURCES if path.stem in ("utils", "util", "helpers", "common", "misc")]
