"""What a network looked at: shares that add up, of the windows asked about, and episodes that had ended by then."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.cli.app import main
from deepstack.errors import DataError
from deepstack.pipeline.explain import explain
from deepstack.pipeline.predict import Predictor, load

WINDOW_BARS, TOP, LAST = 8, 4, 50


@pytest.fixture(scope="module")
def predictor(tiny_run: Callable[[str], Path]) -> Callable[[str], Predictor]:
    return cache(lambda name: load(tiny_run(name)))


@pytest.mark.parametrize("name", ["transformer_attention", "attentive_lstm"])
def test_attention_is_shared_among_the_steps_of_each_newest_window(
    name: str, predictor: Callable[[str], Predictor], tiny_tail: Any
) -> None:
    found = explain(predictor(name), tiny_tail, last=LAST)
    attention = found.arrays["attention"]
    assert (attention.shape, attention.dtype) == ((LAST, WINDOW_BARS), np.float32)
    np.testing.assert_allclose(attention.sum(axis=1), 1.0, atol=1e-5)
    assert (attention >= 0.0).all()
    assert attention.std(axis=0).max() > 0.0
    newest = explain(predictor(name), tiny_tail, last=3)
    np.testing.assert_allclose(newest.arrays["attention"], attention[-3:], atol=1e-5)
    answers = predictor(name).predict(tiny_tail).tail(2 * LAST).reset_index(drop=True)
    pd.testing.assert_frame_equal(found.answers, answers, atol=1e-5)
    assert found.moments.equals(answers[["symbol", "decision_time"]].iloc[::2].reset_index(drop=True))


def test_timeframes_have_shares_named_from_the_finest(predictor: Callable[[str], Predictor], tiny_tail: Any) -> None:
    """The config lists them the other way round."""
    found = explain(predictor("attentive_lstm"), tiny_tail, last=LAST)
    assert predictor("attentive_lstm").artifact.config.samples.timeframes == ("15min", "5min")
    assert found.parts["timeframes"] == ("1min", "5min", "15min")
    shares = found.arrays["timeframes"]
    assert shares.shape == (LAST, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    assert set(found.figures()) == {"attention", "timeframes"}


def test_recalled_episodes_are_of_training_and_had_ended_before_the_decision(
    predictor: Callable[[str], Predictor], tiny_market: Any
) -> None:
    opened = predictor("episodic_memory")
    found = explain(opened, tiny_market, last=1_000_000)
    recalled, ended = found.arrays["recalled"], found.arrays["recalled_end"]
    assert recalled.shape == (len(found.moments), TOP, 2 + 2 * 3)
    assert ended.dtype == np.dtype("datetime64[s]")
    number, share, answers = recalled[..., 0], recalled[..., 1], recalled[..., 2:]
    nothing = number < 0
    np.testing.assert_array_equal(np.isnat(ended), nothing)
    decided = found.moments["decision_time"].dt.tz_localize(None).to_numpy()[:, None]
    assert (ended < decided)[~nothing].all()
    report = json.loads((opened.artifact.folder / "report.json").read_text())
    assert ended[~nothing].max() < np.datetime64(report["samples"]["validation_cut"][:19])

    assert nothing[0].all(), "the first decision knows of no outcome"
    assert not nothing[-LAST:].any()
    np.testing.assert_allclose(share.sum(axis=1), np.where(nothing.all(axis=1), 0.0, 1.0), atol=1e-5)
    of_each = answers.reshape(*number.shape, 2, 3)
    np.testing.assert_array_equal(of_each.sum(axis=-1), np.repeat(~nothing[..., None], 2, axis=-1))
    assert list(found.figures()) == ["recalled"]


def test_candles_without_a_decision_cannot_be_explained(predictor: Callable[[str], Predictor], tiny_tail: Any) -> None:
    flat = {}
    for name, candles in tiny_tail.items():
        frame = candles.frame.assign(**dict.fromkeys(("open", "high", "low", "close"), 100.0))
        flat[name] = type(candles)(name, candles.interval, frame)
    with pytest.raises(DataError, match="a decision to explain"):
        explain(predictor("transformer_attention"), flat)


def test_the_command_leaves_drawings_arrays_and_answers(
    tiny_run: Callable[[str], Path], tail_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "explained"
    arguments = ["explain", tiny_run("attentive_lstm"), "--data", tail_files, "--out", out, "--last", 7]
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0
    names = {"answers.csv", "arrays.npz", "attention.png", "timeframes.png"}
    assert {path.name for path in out.iterdir()} == names
    drawn = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert drawn == ["attention.png", "timeframes.png"]
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in drawn)
    assert len(pd.read_csv(out / "answers.csv")) == 7 * 2
    with np.load(out / "arrays.npz") as arrays:
        assert arrays["timeframes"].shape == (7, 3)
