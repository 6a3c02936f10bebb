"""The command line: light, quiet, and every user's mistake one line and exit code 2."""

import json
import os
import resource
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from deepstack.cli.app import main
from deepstack.config.run import RunConfig

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "run",
    "plan",
    "data",
    "features",
    "evaluate",
    "predict",
    "explain",
    "forecast",
    "models",
    "stream",
    "tune",
    "serve",
    "publish",
    "deploy",
)


@dataclass
class FakePlan:
    config: RunConfig
    memory_mb: float = 1.0
    features_mb: float = 1.0

    def lines(self) -> list[str]:
        return [f"plan for {self.config.training.epochs} epochs"]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """The pipeline replaced by one that records what it was called with."""
    calls: list[dict[str, Any]] = []

    def run(config: RunConfig, **options: Any) -> Path:
        calls.append({"config": config, **options})
        options["progress"]("training", 1, 1, "")
        (tmp_path / "report.json").write_text(json.dumps({"verdict": "no better than the best baseline"}))
        return tmp_path

    fakes = {"plan.plan": FakePlan, "run.run": run, "memory.require_memory": lambda planned_mb: None}
    for path, function in fakes.items():
        name, _, attribute = path.partition(".")
        module = ModuleType(f"deepstack.pipeline.{name}")
        setattr(module, attribute, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "x.yaml").write_text("name: tiny\n")
    return str(tmp_path / "x.yaml")


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code if isinstance(caught.value.code, int) else 0


def deepstack(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deepstack", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def test_help_answers_in_under_a_second() -> None:
    # Processor time: on a machine busy with other tests the clock on the wall says nothing about this command.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert deepstack("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.7


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command, "--help") == 0
    text = capsys.readouterr().out
    assert "Examples:\n" in text
    assert f"  deepstack {command}" in text


def test_run_prints_the_plan_then_the_verdict(
    ran: list[dict[str, Any]], config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--data",
        "a.csv",
        "--data",
        "b",
        "--set",
        "training.epochs=3",
        "--out",
        str(tmp_path / "o"),
        "--resume",
    ]
    assert exit_code("run", config, *arguments, "--yes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["plan for 3 epochs", "no better than the best baseline", f"artifact: {tmp_path}"]
    (call,) = ran
    assert call["config"].data.paths == ("a.csv", "b")
    assert (call["out"], call["resume"]) == (tmp_path / "o", True)


@pytest.mark.parametrize(
    ("answer", "code", "begun"),
    [("y", 0, 1), ("Yes", 0, 1), ("n", 130, 0), ("", 130, 0), (EOFError, 130, 0), (KeyboardInterrupt, 130, 0)],
)
def test_run_begins_only_when_confirmed(
    ran: list[dict[str, Any]], config: str, monkeypatch: pytest.MonkeyPatch, answer: Any, code: int, begun: int
) -> None:
    def reply(prompt: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", reply)
    assert exit_code("run", config) == code
    assert len(ran) == begun


def test_models_are_shown_with_what_they_see(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepstack.pipeline import models
    from deepstack.pipeline.models import ModelRow

    rows = [
        ModelRow("ultimate", "of any depth", 2056, 34_000_000, "bar", 1, False, 41.2),
        ModelRow("cross_timeframe", "several at once", 30, 123, "timeframes", None, True, None),
    ]
    monkeypatch.setattr(models, "model_rows", lambda: iter(rows))
    assert exit_code("models") == 0
    header, first, second, _ = capsys.readouterr().out.splitlines()
    assert header.split()[:6] == ["model", "layers", "parameters", "sees", "field", "causal"]
    assert first.split()[:6] == ["ultimate", "2,056", "34,000,000", "bar", "1", "41"]
    assert second.split()[:6] == ["cross_timeframe", "30", "123", "timeframes", "all", "yes"]
    assert header.index("what") == first.index("of any") == second.index("several")


def test_run_without_a_terminal_says_why(
    ran: list[dict[str, Any]], config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert exit_code("run", config) == 2
    captured = capsys.readouterr()
    assert captured.out == "plan for 10 epochs\n"
    assert "terminal" in captured.err
    assert "--yes" in captured.err
    assert not ran


def test_an_interrupted_run_exits_130(
    ran: list[dict[str, Any]], config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["deepstack.pipeline.run"], "run", interrupted)
    assert exit_code("run", config, "--yes") == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "absent.yaml", "--yes"),
        ("run", "{config}", "--set", "training.epohcs=3"),
        ("plan", "{config}", "--set", "training.epochs=0"),
        ("evaluate", "absent", "--data", "a.csv"),
        ("predict", "absent", "--data", "a.csv", "--out", "a.csv"),
        ("predict", "absent", "--data", "a.csv", "--out", "a.xlsx"),
        ("predict", "absent", "--data", "a.csv", "--out", "a.csv", "--mc-passes", "3"),
        ("explain", "absent", "--data", "a.csv", "--out", "absent_too"),
        ("explain", "absent", "--data", "a.csv", "--out", "absent/deeper"),
        ("explain", "absent", "--data", "a.csv", "--out", "{config}"),
        ("forecast", "absent", "--data", "a.csv", "--out", "a.png"),
        ("forecast", "absent", "--data", "a.csv", "--out", "a.pdf"),
        ("features", "--data", "a.csv", "--out", "a.csv"),
        ("features", "--data", "a.csv", "--out", "absent/a.parquet"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_mistake_is_one_line_on_stderr(config: str, arguments: tuple[str, ...]) -> None:
    done = deepstack(*(argument.format(config=config) for argument in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert " — try " in done.stderr


def test_a_plugin_is_imported_before_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside.py").write_text("name = 'mine'")
    plugin = tmp_path / "my_model.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "import beside, deepstack\n"
        "from deepstack.models.sequential import network\n"
        "@dataclass(frozen=True)\n"
        "class Mine(network.SequentialConfig):\n"
        "    layers: int = 9\n"
        "deepstack.register(beside.name, deepstack.Model('of my own', network.build, Mine, 'bar'))\n"
    )
    path, command = list(sys.path), ("data", str(tmp_path / "absent"))
    with mock.patch.dict("deepstack.models.catalogue.MODELS") as models:
        assert exit_code("--plugin", str(plugin), "--plugin", "json", *command) == 2
        assert "absent" in capsys.readouterr().err
        assert models["mine"].config().layers == 9
        assert exit_code("--plugin", str(plugin), *command) == 2
        assert capsys.readouterr().err.startswith("error: register: expected a new name")
    assert sys.path == path


@pytest.mark.parametrize(
    ("name", "text", "received"),
    [
        ("absent.py", None, "FileNotFoundError"),
        ("broken.py", "1 +", "SyntaxError"),
        ("failing.py", "1 / 0", "ZeroDivisionError: division by zero"),
        ("no_such_module", None, "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_line(
    name: str, text: str | None, received: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    plugin = str(tmp_path / name) if name.endswith(".py") else name
    assert exit_code("--plugin", plugin, "models") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(f"error: --plugin {plugin}: expected a Python file or module")
    assert received in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("walk",),
        ("run",),
        ("run", "x.yaml", "--fast"),
        ("data", "x", "--repair", "mend"),
        ("predict", "x", "--data", "a.csv", "--out", "a.csv", "--mc-passes", "-1"),
        ("explain", "x", "--data", "a.csv", "--out", "x", "--last", "0"),
        ("forecast", "x", "--data", "a.csv", "--out", "a.csv", "--paths", "1"),
    ],
)
def test_a_wrong_command_line_exits_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_during_the_imports_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupt:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "deepstack.cli.app":
                raise KeyboardInterrupt

    from deepstack.__main__ import main as entry

    monkeypatch.delitem(sys.modules, "deepstack.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupt(), *sys.meta_path])
    monkeypatch.setattr("os._exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 130


def test_the_console_script_begins_where_interrupts_are_caught() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["deepstack"] == "deepstack.__main__:main"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_one_line(unbuffered: str) -> None:
    command = [sys.executable, "-m", "deepstack", "--version"]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: expected a place that can be written, received no space")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "deepstack", "--help"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_debug_shows_the_traceback(config: str) -> None:
    done = deepstack("plan", config, "--set", "seed=-1", env={"DEEPSTACK_DEBUG": "1", "PATH": ""})
    assert done.returncode not in (0, 2)
    assert "Traceback" in done.stderr


def test_the_script_is_the_run_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    called: list[list[str]] = []
    monkeypatch.setattr("deepstack.cli.app.main", called.append)
    monkeypatch.setattr(sys, "argv", ["run_ultimate_deep.py", "--yes", "--set", "seed=1"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "run_ultimate_deep.py"), run_name="__main__")
    assert ended.value.code == 0
    assert called == [["run", str(ROOT / "configs" / "ultimate.yaml"), "--yes", "--set", "seed=1"]]
