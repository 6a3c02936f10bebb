import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deepstack.candles.market import Market
from deepstack.config.evaluation import EvaluationConfig
from deepstack.evaluation import plots
from deepstack.evaluation.equity import equity_curve, mark_trades
from deepstack.evaluation.predictions import evaluate_predictions
from deepstack.evaluation.report import json_ready, render_html, write_report

CONFIG = EvaluationConfig(bootstrap_resamples=100)


@pytest.fixture(scope="module")
def report(trades: pd.DataFrame, probability: np.ndarray, market: Market) -> dict[str, Any]:
    block, _ = evaluate_predictions(trades, probability, 0.5, market, CONFIG, seed=1)
    return {
        "run": "smoke-<1>",
        "verdict": "The network is not shown to be better.",
        "config": {"seed": 7, "note": "<script>alert(1)</script>"},
        "data": {"source": "synthetic", "symbols": ["S0", "S1"], "bars": 4500},
        "samples": {"train": 100, "purged": 3},
        "trials": 1,
        "timing_s": {"total": np.float32(1.5)},
        "train_samples_per_s": float("nan"),
        "test": block,
        "baselines": {"take_all": block},
        "comparison": {
            "best_baseline": "take_all",
            "against_best": {"auc": {"estimate": 0.01, "ci95": [-0.01, 0.03], "p_value": 0.4}},
            "against_taking_all": {"expectancy_r": {"estimate": None, "ci95": None, "p_value": None}},
        },
    }


@pytest.fixture(scope="module")
def figures(trades: pd.DataFrame, probability: np.ndarray, market: Market) -> dict[str, Figure]:
    marks = mark_trades(trades, market)
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.7, 0.6, 0.5], "val_loss": [0.7, 0.65, 0.66]})
    return {
        "loss": plots.loss_curves(history),
        "calibration": plots.calibration(trades, probability, 100, 0),
        "coverage": plots.win_rate_against_coverage(
            trades, probability, ("take_all", np.full(len(trades), 0.4)), 0.3, 100, 0
        ),
        "equity": plots.equity(
            {
                "taken": equity_curve(marks, probability > 0.5, 0.01),
                "everything, ruined": equity_curve(marks, probability > 0, 1.0),
            }
        ),
        "importance": plots.importance({"price": 0.03, "volume": 0.01, "calendar": -0.002}),
    }


def test_files_are_written_and_the_page_needs_nothing_else(
    tmp_path: Path, report: dict[str, Any], figures: dict[str, Figure]
) -> None:
    written = write_report(tmp_path, report, figures)
    assert json.loads((tmp_path / "report.json").read_text()) == written
    assert written["schema_version"] == 1
    assert written["train_samples_per_s"] is None
    for name in figures:
        assert (tmp_path / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(figures)
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert report["verdict"] in page
    assert "<script>" not in page and "smoke-&lt;1&gt;" in page


def test_equal_reports_are_equal_files(tmp_path: Path, report: dict[str, Any], figures: dict[str, Figure]) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, report, figures)
    for path in (tmp_path / "first").rglob("*.*"):
        twin = tmp_path / "second" / path.relative_to(tmp_path / "first")
        assert path.read_bytes() == twin.read_bytes()


def test_a_report_of_figures_alone_still_renders(report: dict[str, Any]) -> None:
    page = render_html({"test": report["test"]}, {})
    assert "No verdict." in page and "<img" not in page


def test_values_become_plain_and_undefined_ones_null() -> None:
    plain = json_ready({1: np.array([1.0, np.inf]), "n": np.int8(3), "b": np.bool_(True), "t": (1, None)})
    assert plain == {"1": [1.0, None], "n": 3, "b": True, "t": [1, None]}
    with pytest.raises(TypeError, match="Path"):
        json_ready({"p": Path()})


def test_plots_of_little_data_do_not_fail(trades: pd.DataFrame, market: Market) -> None:
    constant = np.full(len(trades), 0.4)
    plots.calibration(trades, constant, 100, 0)
    plots.win_rate_against_coverage(trades, constant, None, 1.0, 100, 0)
    plots.loss_curves(pd.DataFrame({"loss": [0.7]}))
    plots.importance({})
