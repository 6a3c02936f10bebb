"""Drawings of explanations and forecasts: what is named, and where the path begins."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deepstack.evaluation.explained import explanation_figures, fan

NOW = pd.Timestamp("2026-01-01 12:00", tz="UTC")


def labels(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.fixture
def quantiles() -> pd.DataFrame:
    width = 0.01 * np.sqrt(np.arange(1, 13))
    columns = {"q0.05": -1.6, "q0.25": -0.7, "q0.5": 0.1, "q0.75": 0.7, "q0.95": 1.6}
    index = pd.date_range(NOW + pd.Timedelta("1min"), periods=12, freq="1min", name="close_time")
    return pd.DataFrame({name: factor * width for name, factor in columns.items()}, index=index)


@pytest.fixture
def moments() -> pd.DataFrame:
    times = pd.date_range(NOW, periods=20, freq="4min").repeat(2)
    return pd.DataFrame({"symbol": ["BTC", "ETH"] * 20, "decision_time": times})


def test_a_fan_begins_at_the_last_close(quantiles: pd.DataFrame) -> None:
    figure = fan(quantiles, "BTC", NOW)
    axes = figure.axes[0]
    (middle,) = [line for line in axes.lines if line.get_label() == "median"]
    assert np.asarray(middle.get_ydata())[0] == 0.0
    assert len(np.asarray(middle.get_xdata())) == 13
    assert labels(figure) == ["5 % to 95 %", "25 % to 75 %", "median"]
    outer, inner = (band.get_facecolor().tolist() for band in axes.collections)
    assert outer != inner


def test_attention_names_symbols_and_shows_them_one_after_the_other(moments: pd.DataFrame) -> None:
    weights = np.zeros((40, 8), np.float32)
    weights[np.arange(40), np.where(moments["symbol"] == "BTC", 0, 7)] = 1.0
    axes = explanation_figures(moments, {"attention": weights}, {})["attention"].axes[0]
    drawn: Any = axes.images[0].get_array()
    np.testing.assert_array_equal(drawn.argmax(axis=1), [0] * 20 + [7] * 20)
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names[0] == "BTC 01-01 12:00" and names[-1] == "ETH 01-01 13:16"


def test_shares_of_several_symbols_are_dots(moments: pd.DataFrame) -> None:
    gate = np.random.default_rng(0).dirichlet([4, 4], 40)
    for rows, width in ((moments, 0.0), (moments.assign(symbol="BTC"), 1.0)):
        figure = explanation_figures(rows, {"gate": gate}, {"gate": ("lstm", "transformer")})["gate"]
        assert figure.axes[0].lines[0].get_linewidth() == width
        assert labels(figure) == ["lstm", "transformer", "equal shares"]
