"""The figures of a report. Every function draws one Figure and touches no global state of matplotlib."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from deepstack.evaluation.calibration import reliability
from deepstack.evaluation.coverage import coverage_curve
from deepstack.evaluation.equity import Equity
from deepstack.evaluation.significance import bootstrap, mean_over

INK, MUTED, GRID = "#1f2933", "#6b7785", "#e3e8ee"
NETWORK, OTHER, SIGNAL = "#1f5fa8", "#b45f06", "#9aa5b1"


def loss_curves(history: pd.DataFrame) -> Figure:
    """Training and validation loss over epochs.

    Args:
        history: one row an epoch, columns `loss`, and where known `val_loss` and `epoch`.
    """
    figure, axes = _canvas("Loss by epoch", "epoch", "weighted log-loss (nats)")
    epochs = history["epoch"] if "epoch" in history else pd.Series(np.arange(1, len(history) + 1))
    marker = "o" if len(history) <= 40 else ""
    axes.plot(epochs, history["loss"], color=SIGNAL, marker=marker, markersize=3.5, label="training")
    if "val_loss" in history and history["val_loss"].notna().any():
        axes.plot(epochs, history["val_loss"], color=NETWORK, marker=marker, markersize=3.5, label="validation")
        best = int(np.nanargmin(history["val_loss"]))
        lowest = (epochs.iloc[best], history["val_loss"].iloc[best])
        axes.plot(*lowest, "o", color=NETWORK, markersize=9, fillstyle="none", label="best")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)
    return figure


def calibration(trades: pd.DataFrame, probability: np.ndarray, resamples: int, seed: int) -> Figure:
    """Observed against predicted share of winners in bins of equal mass, with 95 % intervals by block bootstrap."""
    figure, axes = _canvas("Calibration on the test slice", "predicted probability of winning", "observed win rate")
    won = trades["won"].to_numpy(bool)
    curve = reliability(won, probability)
    drawn = bootstrap(
        {str(k): mean_over(won, curve.bin_of == k) for k in range(len(curve.trades))}, trades, min(resamples, 400), seed
    )
    for k in range(len(curve.trades)):
        values = drawn[str(k)][np.isfinite(drawn[str(k)])]
        if values.size:
            axes.vlines(
                curve.predicted[k], *np.quantile(values, [0.025, 0.975]), color=NETWORK, alpha=0.35, linewidth=2
            )
    low, high = max(0.0, float(curve.predicted.min()) - 0.03), min(1.0, float(curve.predicted.max()) + 0.03)
    axes.plot([low, high], [low, high], color=SIGNAL, linewidth=1, linestyle=(0, (4, 3)), label="perfect")
    axes.plot(curve.predicted, curve.observed, color=NETWORK, marker="o", markersize=4.5, label="network")
    axes.set_xlim(low, high)
    _percent(axes)
    _legend(axes)
    return figure


def win_rate_against_coverage(
    trades: pd.DataFrame,
    network: np.ndarray,
    baseline: tuple[str, np.ndarray] | None,
    coverage: float,
    resamples: int,
    seed: int,
) -> Figure:
    """Win rate of the most probable trades over the share taken.

    Args:
        trades: the test slice.
        network: probability [trades].
        baseline: name and probabilities of the model drawn beside it.
        coverage: share of the slice that the network's threshold takes, marked by a line.
        resamples, seed: of the 95 % band.
    """
    figure, axes = _canvas("Win rate against coverage", "coverage: share of candidates taken", "win rate")
    curve = coverage_curve(trades, network, resamples, seed)
    axes.fill_between(curve.coverage, curve.low, curve.high, color=NETWORK, alpha=0.13, linewidth=0)
    axes.plot(curve.coverage, curve.win_rate, color=NETWORK, label="network, 95 % band", marker=_dot(curve.coverage))
    if baseline is not None:
        name, probability = baseline
        other = coverage_curve(trades, probability, resamples, seed)
        axes.plot(other.coverage, other.win_rate, color=OTHER, label=_plain(name), marker=_dot(other.coverage))
    axes.axhline(trades["won"].mean(), color=SIGNAL, linewidth=1, linestyle=(0, (4, 3)), label="all candidates")
    axes.axvline(coverage, color=INK, linewidth=0.9, linestyle=":", label="chosen threshold")
    axes.set_xlim(0.0, 1.01)
    _percent(axes)
    _legend(axes)
    return figure


def equity(curves: Mapping[str, Equity]) -> Figure:
    """Worth of the account over the test slice, logarithmic, one line a selection; the first is the network's."""
    figure, axes = _canvas("Equity, net of costs", "", "account, start = 1 (log scale)")
    axes.axhline(1.0, color=SIGNAL, linewidth=0.8)
    for (name, curve), colour in zip(curves.items(), (NETWORK, SIGNAL, OTHER, MUTED), strict=False):
        # A ruined account has no logarithm; its line ends where it ends.
        worth = np.where(curve.value > 0.0, curve.value, np.nan)
        axes.plot(curve.times.tz_localize(None).to_numpy(), worth, color=colour, linewidth=1.4, label=name)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 1e3:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    locator = AutoDateLocator(minticks=4, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    _legend(axes)
    return figure


def importance(drops: Mapping[str, float]) -> Figure:
    """Drop in AUC by feature group, largest on top."""
    names = list(drops)[::-1]
    figure, axes = _canvas("Importance of feature groups", "drop in test AUC when the group is shuffled", "")
    figure.set_size_inches(7.6, max(2.2, 0.9 + 0.27 * len(names)))
    values = np.array([drops[name] for name in names])
    axes.barh([_plain(name) for name in names], values, color=np.where(values > 0.0, NETWORK, SIGNAL), height=0.66)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    return figure


def _canvas(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, 4.2), dpi=144, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    axes.set_xlabel(x_label, color=MUTED, fontsize=9)
    axes.set_ylabel(y_label, color=MUTED, fontsize=9)
    axes.tick_params(which="both", colors=MUTED, labelsize=8.5, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(SIGNAL)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")


def _percent(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _dot(points: np.ndarray) -> str:
    """A single point needs a marker to be seen at all."""
    return "o" if len(points) == 1 else ""
