"""Sampled bars to come: what the network foresees, fed back, from the last bar on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.cli.app import main
from deepstack.errors import DataError
from deepstack.features.table import make_table
from deepstack.pipeline.forecast import Forecast, forecast
from deepstack.pipeline.predict import Predictor, load

SYMBOL, BARS, PATHS, WINDOW_BARS = "SYN02", 5, 4000, 8


@pytest.fixture(scope="module")
def predictor(tiny_run: Callable[[str], Path]) -> Predictor:
    return load(tiny_run("transformer_decoder"))


@pytest.fixture(scope="module")
def unasked(tiny_tail: Any) -> Any:
    """Candles whose last bar is none that the labels ask a decision at."""
    cut = {name: replace(c, frame=c.frame.iloc[:-1]) for name, c in tiny_tail.items()}
    assert cut[SYMBOL].frame.index[-1].minute % 4 != 0
    return cut


@pytest.fixture(scope="module")
def foreseen(predictor: Predictor, unasked: Any) -> Forecast:
    return forecast(predictor, unasked, SYMBOL, bars=BARS, paths=PATHS)


def test_it_starts_at_the_last_bar(foreseen: Forecast, unasked: Any) -> None:
    last = unasked[SYMBOL].frame.index[-1]
    assert (foreseen.symbol, foreseen.decision_time) == (SYMBOL, last)
    assert foreseen.paths.shape == (PATHS, BARS)
    assert list(foreseen.times) == [last + k * pd.Timedelta("1min") for k in range(1, BARS + 1)]


def test_quantiles_are_those_of_the_paths_in_order(foreseen: Forecast) -> None:
    quantiles = foreseen.quantiles()
    assert list(quantiles) == ["q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
    assert (np.diff(quantiles.to_numpy(), axis=1) > 0.0).all()
    below = (foreseen.paths[:, :, None] < quantiles.to_numpy()).mean(axis=0)
    np.testing.assert_allclose(below, np.tile([0.05, 0.25, 0.5, 0.75, 0.95], (BARS, 1)), atol=1.0 / PATHS)


def test_the_first_bar_is_drawn_from_what_the_network_foresees(
    predictor: Predictor, foreseen: Forecast, unasked: Any
) -> None:
    """By hand: the last window, scaled; the foreseen return, unscaled; times the deviation of 100 log returns."""
    opened = predictor.artifact
    column, scaler = opened.features.index("return_1"), opened.scalers["features"]
    table = make_table({SYMBOL: unasked[SYMBOL]}, names=opened.features)
    window = scaler.transform(table.values[-WINDOW_BARS:].copy())[None].astype(np.float32)
    (answer,) = raw_outputs(up_to(predictor.network, "foreseen"), {"features": window})
    mean, log_variance = answer[-1, column], answer[-1, len(opened.features) + column]

    sigma = np.diff(np.log(unasked[SYMBOL].frame["close"].to_numpy()[-101:])).std()
    standard = scaler["standardise"]
    wanted = sigma * (mean * standard.scale_[column] + standard.mean_[column])
    deviation = sigma * standard.scale_[column] * np.exp(0.5 * log_variance)
    first = foreseen.paths[:, 0]
    assert abs(first.mean() - wanted) < 4.0 * deviation / np.sqrt(PATHS)
    assert first.std() == pytest.approx(deviation, rel=0.06)


def test_the_seed_of_the_run_fixes_the_paths(predictor: Predictor, foreseen: Forecast, unasked: Any) -> None:
    again = forecast(predictor, unasked, SYMBOL, bars=BARS, paths=PATHS)
    np.testing.assert_array_equal(again.paths, foreseen.paths)
    other = replace(predictor.artifact, config=predictor.artifact.config.model_copy(update={"seed": 99}))
    differing = Predictor(other)
    differing.__dict__["network"] = predictor.network  # a cached property: not built again
    assert not np.array_equal(forecast(differing, unasked, SYMBOL, bars=BARS, paths=PATHS).paths, foreseen.paths)


def test_it_has_learned_to_foresee_before_it_answered(predictor: Predictor) -> None:
    """Both trainings are on record, and what is foreseen beats the features' own mean and deviation: 0 nats, 0.5."""
    folder = predictor.artifact.folder
    first, second = (pd.read_csv(folder / part / "training.csv") for part in ("pretraining", "."))
    assert len(first) == len(second) == 1
    assert first["val_loss"].iloc[-1] < 0.5


def test_what_cannot_be_forecast_is_refused(predictor: Predictor, unasked: Any) -> None:
    with pytest.raises(DataError, match="expected bars of NONE, received SYN01, SYN02"):
        forecast(predictor, unasked, "NONE")
    short = {name: replace(c, frame=c.frame.iloc[-104:]) for name, c in unasked.items()}
    with pytest.raises(DataError, match="after the warm-up of 100 bars and windows of 8 bars"):
        forecast(predictor, short)


# The commands


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    return errors[0]


@pytest.mark.parametrize("file", ["quantiles.csv", "fan.png"])
def test_the_command_leaves_quantiles_or_a_drawing(
    file: str, tiny_run: Callable[[str], Path], tail_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["forecast", tiny_run("transformer_decoder"), "--data", tail_files, "--out", tmp_path / file]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--symbol", SYMBOL, "--bars", "3", "--paths", "20"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"{SYMBOL}, 3 bars from ")
    if file.endswith("png"):
        assert (tmp_path / file).read_bytes().startswith(b"\x89PNG")
    else:
        table = pd.read_csv(tmp_path / file)
        assert list(table) == ["close_time", "q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
        assert len(table) == 3


def test_commands_refuse_in_one_line_what_a_model_cannot_do(
    tiny_run: Callable[[str], Path],
    tail_files: Path,
    tmp_path: Path,
    predictor: Predictor,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder, data = predictor.artifact.folder, ["--data", tail_files]
    line = refused(capsys, "explain", decoder, *data, "--out", tmp_path / "explained")
    assert "expected a model with attention, a gate or a memory to show, received transformer_decoder" in line
    assert "one of stacked_lstm, attentive_lstm" in line
    out = ["--out", tmp_path / "quantiles.csv"]
    line = refused(capsys, "forecast", tiny_run("attentive_lstm"), *data, *out)
    assert "foresees the next bar, received attentive_lstm — try one of transformer_decoder" in line
    line = refused(capsys, "forecast", decoder, *data, *out, "--symbol", "NONE")
    assert "bars of NONE, received SYN01, SYN02" in line

    names = tuple(name for name in predictor.artifact.features if name != "return_1")
    without = replace(predictor.artifact, features=names)
    monkeypatch.setattr("deepstack.artifact.load.open_artifact", lambda _: without)
    line = refused(capsys, "forecast", decoder, *data, *out)
    assert "return_1 among the artifact's features" in line
    assert "try training with features.keep=[return_1]" in line
    assert not list(tmp_path.iterdir())
