"""The figures of a report. Every function draws one Figure and touches no global state of matplotlib."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from deepstack.evaluation._canvas import INK, MUTED, NETWORK, OTHER, SIGNAL, canvas, dates, legend, percent
from deepstack.evaluation.calibration import reliability
from deepstack.evaluation.coverage import coverage_curve
from deepstack.evaluation.equity import Equity
from deepstack.evaluation.significance import bootstrap, mean_over


def loss_curves(history: pd.DataFrame) -> Figure:
    """Training and validation loss over epochs.

    Args:
        history: one row an epoch, columns `loss`, and where known `val_loss` and `epoch`.
    """
    figure, axes = canvas("Loss by epoch", "epoch", "weighted log-loss (nats)")
    epochs = history["epoch"] if "epoch" in history else pd.Series(np.arange(1, len(history) + 1))
    marker = "o" if len(history) <= 40 else ""
    axes.plot(epochs, history["loss"], color=SIGNAL, marker=marker, markersize=3.5, label="training")
    if "val_loss" in history and history["val_loss"].notna().any():
        axes.plot(epochs, history["val_loss"], color=NETWORK, marker=marker, markersize=3.5, label="validation")
        best = int(np.nanargmin(history["val_loss"]))
        lowest = (epochs.iloc[best], history["val_loss"].iloc[best])
        axes.plot(*lowest, "o", color=NETWORK, markersize=9, fillstyle="none", label="best")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes)
    return figure


def calibration(trades: pd.DataFrame, probability: np.ndarray, resamples: int, seed: int) -> Figure:
    """Observed against predicted share of winners in bins of equal mass, with 95 % intervals by block bootstrap."""
    figure, axes = canvas("Calibration on the test slice", "predicted probability of winning", "observed win rate")
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
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="perfect")
    axes.plot(curve.predicted, curve.observed, color=NETWORK, marker="o", markersize=4.5, label="network")
    axes.set_xlim(low, high)
    percent(axes.xaxis, axes.yaxis)
    legend(axes)
    return figure


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], horizon: str) -> Figure:
    """Share of each true class (row) that was given each answer (column), with the counts."""
    figure, axes = canvas(f"What the network said, {horizon}", "answer", "what came")
    counts = np.asarray(matrix, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row in range(len(classes)):
        for column in range(len(classes)):
            colour = "white" if shares[row, column] > 0.55 else INK
            text = f"{shares[row, column]:.0%}\n{int(counts[row, column]):,}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.grid(visible=False)
    return figure


def class_calibration(codes: np.ndarray, probability: np.ndarray, classes: Sequence[str], horizon: str) -> Figure:
    """Observed share of each class against its predicted probability, in bins of equal mass."""
    figure, axes = canvas(f"Calibration on the test slice, {horizon}", "predicted probability", "observed share")
    for k, colour in zip(range(len(classes)), (OTHER, SIGNAL, NETWORK), strict=True):
        curve = reliability(codes == k, probability[:, k])
        axes.plot(curve.predicted, curve.observed, color=colour, marker="o", markersize=4, label=classes[k])
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="perfect", zorder=1)
    percent(axes.xaxis, axes.yaxis)
    legend(axes)
    return figure


def win_rate_against_coverage(
    trades: pd.DataFrame,
    network: np.ndarray,
    baseline: tuple[str, np.ndarray] | None,
    coverage: float,
    resamples: int,
    seed: int,
    horizon: str = "",
) -> Figure:
    """Win rate of the most probable trades over the share taken.

    Args:
        trades: the test slice.
        network: probability [trades].
        baseline: name and probabilities of the model drawn beside it.
        coverage: share of the slice that the network's threshold takes, marked by a line.
        resamples, seed: of the 95 % band.
        horizon: for the title, where there are several.
    """
    figure, axes = canvas(
        _titled("Win rate against coverage", horizon), "coverage: share of candidates taken", "win rate"
    )
    curve = coverage_curve(trades, network, resamples, seed)
    axes.fill_between(curve.coverage, curve.low, curve.high, color=NETWORK, alpha=0.13, linewidth=0)
    axes.plot(curve.coverage, curve.win_rate, color=NETWORK, label="network, 95 % band", marker=_dot(curve.coverage))
    if baseline is not None:
        name, probability = baseline
        other = coverage_curve(trades, probability, resamples, seed)
        axes.plot(other.coverage, other.win_rate, color=OTHER, label=_plain(name), marker=_dot(other.coverage))
    axes.axhline(trades["won"].mean(), color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="all candidates")
    axes.axvline(coverage, color=INK, linewidth=0.9, linestyle=":", label="chosen threshold")
    axes.set_xlim(0.0, 1.01)
    percent(axes.xaxis, axes.yaxis)
    legend(axes)
    return figure


def equity(curves: Mapping[str, Equity], horizon: str = "") -> Figure:
    """Worth of the account over the test slice, logarithmic, one line a selection; the first is the network's."""
    figure, axes = canvas(_titled("Equity, net of costs", horizon), "", "account, start = 1 (log scale)")
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
    dates(axes.xaxis)
    legend(axes)
    return figure


def importance(drops: Mapping[str, float]) -> Figure:
    """Drop in AUC by feature group, largest on top."""
    names = list(drops)[::-1]
    figure, axes = canvas("Importance of feature groups", "drop in test AUC when the group is shuffled", "")
    figure.set_size_inches(7.6, max(2.2, 0.9 + 0.27 * len(names)))
    values = np.array([drops[name] for name in names])
    axes.barh([_plain(name) for name in names], values, color=np.where(values > 0.0, NETWORK, SIGNAL), height=0.66)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    return figure


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _titled(title: str, horizon: str) -> str:
    return f"{title}, {horizon}" if horizon else title


def _dot(points: np.ndarray) -> str:
    """A single point needs a marker to be seen at all."""
    return "o" if len(points) == 1 else ""
