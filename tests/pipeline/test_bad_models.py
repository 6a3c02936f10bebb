"""Models, heads, horizons and timeframes that do not fit are one line with the remedy, and no run is left behind."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from deepstack.cli.app import main
from deepstack.config.read import read_config
from deepstack.errors import DeepstackError
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS
from deepstack.pipeline.plan import plan
from deepstack.pipeline.run import run

SMALL = """\
name: small
data:
  synthetic: {symbols: 1, bars: 500, interval: 1min}
features:
  groups: [calendar]
labels:
  kind: horizons
  horizons: {lengths: [5min, 15min], volatility_bars: 20}
samples: {window_bars: 8}
model: {name: lstm, head: horizons, options: {units: [4]}}
training: {strategy: none, jit_compile: false, epochs: 1}
evaluation: {bootstrap_resamples: 100, permutation_rows: 100, baselines: [take_all]}
"""
BREAKOUTS, ONE_HORIZON = "labels.kind=breakout", "labels.horizons.lengths=[5min]"
SEVERAL = ("model.name=attentive_lstm", "model.options={units: 4}")

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """A run that must be refused; returns its one line."""
    (tmp_path / "small.yaml").write_text(SMALL)

    def line(*overrides: str) -> str:
        with pytest.raises(DeepstackError) as error:
            run(read_config(tmp_path / "small.yaml", overrides), out=tmp_path / "out")
        assert not [path for path in (tmp_path / "out").rglob("*") if path.name != ".running"]
        text = str(error.value)
        assert "\n" not in text
        for part in (": expected ", ", received ", " — try "):
            assert part in text
        return text

    return line


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.name=lstn"], ["model.name", "'lstn'", "`lstm`"]),
        (["model.name=xgboost"], ["model.name", "one of ultimate", "episodic_memory"]),
        (["model.options={unit: [4]}"], ["model.options.unit", "`units`"]),
        # The head
        ([BREAKOUTS], ["model.head", "won or lost", "received horizons", "model.head=binary"]),
        ([BREAKOUTS, "model.head=classes"], ["won or lost", "received classes", "model.head=binary"]),
        (["model.head=binary"], ["3 classes over 5min, 15min", "received binary", "model.head=horizons"]),
        (["model.head=classes"], ["3 classes over 5min, 15min", "received classes", "model.head=horizons"]),
        ([ONE_HORIZON, "model.head=binary"], ["3 classes over 5min", "received binary", "model.head=classes"]),
        # The horizons
        (["labels.horizons.lengths=[90s, 5min]"], ["labels.horizons.lengths", "1min", "90s", "2min"]),
        (["labels.horizons.lengths=[30s]", "model.head=classes"], ["labels.horizons.lengths", "30s", "1min"]),
        (["labels.horizons.lengths=[5min, 300s]"], ["labels.horizons.lengths", "different horizons", "300s"]),
        (["labels.horizons.lengths=[soon]", "model.head=classes"], ["labels.horizons.lengths", "'soon'", "15min"]),
        (["labels.horizons.weights=[1.0]"], ["labels.horizons.weights", "2 positive weights", "[1.0]"]),
        (["labels.horizons.lengths=[5min, 2D]"], ["labels", "2D", "500 bars"]),
        # The window
        (["samples.window_bars=501"], ["samples", "windows of 501 bars", "samples.window_bars"]),
        ([*SEVERAL, "samples.timeframes=[15min]", "samples.window_bars=60"], ["windows of 60 bars in 15min"]),
        # The timeframes
        (["samples.timeframes=[5min]"], ["samples.timeframes", "none for a model of one", "5min"]),
        ([*SEVERAL], ["samples.timeframes", "coarser intervals", "received []"]),
        (
            [*SEVERAL, "samples.timeframes=[5min, 30s]"],
            ["samples.timeframes", "30s, finer than or equal to", "coarser"],
        ),
        ([*SEVERAL, "samples.timeframes=[1min]"], ["samples.timeframes", "1min, finer than or equal to"]),
        ([*SEVERAL, "samples.timeframes=[150s]"], ["samples.timeframes", "150s, no multiple of"]),
        ([*SEVERAL, "samples.timeframes=[often]"], ["samples.timeframes", "'often'", "15min"]),
        ([*SEVERAL, "samples.timeframes=[30D]"], ["30D"]),
    ],
    ids=lambda value: " ".join(value) if value and "=" in value[0] else "",
)
def test_what_does_not_fit_is_refused_with_the_remedy(overrides: list[str], words: list[str], refused: Refused) -> None:
    line = refused(*overrides)
    assert not [word for word in words if word not in line], line


@pytest.mark.parametrize("head", ["classes", "horizons"])
def test_one_horizon_is_classes_under_either_name(head: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    found = plan(read_config(tmp_path / "small.yaml", [ONE_HORIZON, f"model.head={head}"]), measure=False)
    assert found.parameters > 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.name=transfomer", ["'transfomer'", "`transformer`"]),
        ("model.head=binary", ["model.head", "model.head=horizons"]),
        ("samples.timeframes=[5min]", ["samples.timeframes", "none for a model of one"]),
    ],
)
def test_the_command_says_it_in_one_line(
    override: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = SimpleNamespace(lines=list, memory_mb=0.0, features_mb=0.0)
    monkeypatch.setattr("deepstack.pipeline.plan.plan", lambda *_, **__: planned)
    (tmp_path / "small.yaml").write_text(SMALL)
    arguments = ["run", tmp_path / "small.yaml", "--set", override, "--yes", "--out", tmp_path / "out"]
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert [line.startswith("error: ") for line in lines if "error" in line] == [True]
    assert not [word for word in words if word not in lines[-1]], lines


def test_a_model_of_your_own_runs_by_its_name_and_a_typo_of_it_is_guessed(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MODELS", dict(MODELS))
    catalogue.register("night_watch", MODELS["gru"])
    config = read_config(tmp_path / "small.yaml", ["model.name=night_watch"])
    assert plan(config, measure=False).model == "night_watch"
    assert "`night_watch`" in refused("model.name=nightwatch")
    for taken in ("night_watch", "gru"):
        with pytest.raises(DeepstackError, match=f"'{taken}', which is taken — try my_{taken}"):
            catalogue.register(taken, MODELS["lstm"])
