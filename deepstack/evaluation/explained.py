"""Drawings of what a network looked at, and of what it foresees."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.evaluation._canvas import GRID, INK, NETWORK, OTHER, SIGNAL, canvas, dates, legend, percent

COLOURS = (NETWORK, OTHER, SIGNAL, INK)


def explanation_figures(
    moments: pd.DataFrame, arrays: Mapping[str, np.ndarray], parts: Mapping[str, Sequence[str]]
) -> dict[str, Figure]:
    """One figure for each array of an explanation.

    Args:
        moments: column decision_time, one row a decision.
        arrays: name → [decisions, …], as `deepstack.explain` gives them; datetime64 ends stand beside `recalled`.
        parts: name → what its columns are called, for the arrays of shares.
    """
    times = pd.DatetimeIndex(moments["decision_time"]).tz_localize(None)
    figures = {}
    for name, values in arrays.items():
        if name in _DRAWN:
            figures[name] = _DRAWN[name](times, arrays)
        elif name in parts:
            figures[name] = _shares(name, times, values, parts[name])
    return figures


def fan(quantiles: pd.DataFrame, symbol: str) -> Figure:
    """Quantiles of the coming log returns, the outer ones as bands.

    Args:
        quantiles: index close_time, columns from the lowest to the highest quantile, an odd number of them.
        symbol: for the title.
    """
    figure, axes = canvas(f"What may come, {symbol}", "", "log return from the last close")
    times = pd.DatetimeIndex(quantiles.index).tz_localize(None).to_numpy()
    columns = list(quantiles.columns)
    for k in range(len(columns) // 2):
        low, high = columns[k], columns[-1 - k]
        label = f"{low} to {high}"
        axes.fill_between(times, quantiles[low], quantiles[high], color=NETWORK, alpha=0.16, linewidth=0, label=label)
    middle = columns[len(columns) // 2]
    axes.plot(times, quantiles[middle], color=NETWORK, label=middle)
    axes.axhline(0.0, color=SIGNAL, linewidth=0.8)
    dates(axes.xaxis)
    legend(axes)
    return figure


def _attention(times: pd.DatetimeIndex, arrays: Mapping[str, np.ndarray]) -> Figure:
    """Weight of each step for each decision, and the mean over decisions above."""
    weights = arrays["attention"]
    decisions, steps = weights.shape
    figure, axes = canvas("", "steps before the newest", "decision")
    title = f"Attention over {steps} steps, {decisions} decisions; their mean above"
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    axes.grid(visible=False)
    picture = axes.imshow(
        weights, aspect="auto", cmap="Blues", vmin=0.0, extent=(steps - 0.5, -0.5, decisions - 0.5, -0.5)
    )
    shown = np.unique(np.linspace(0, decisions - 1, min(6, decisions)).round().astype(int))
    axes.set_yticks(shown, [f"{times[row]:%m-%d %H:%M}" for row in shown])
    figure.colorbar(picture, ax=axes, label="weight", pad=0.01)
    mean = axes.inset_axes((0.0, 1.02, 1.0, 0.14))
    mean.fill_between(np.arange(steps)[::-1], weights.mean(axis=0), color=NETWORK, alpha=0.35, linewidth=0)
    mean.set_xlim(axes.get_xlim())
    mean.set_ylim(0.0)
    mean.axis("off")
    return figure


def _recalled(times: pd.DatetimeIndex, arrays: Mapping[str, np.ndarray]) -> Figure:
    """When the recalled episodes had ended, a dot each, larger for a larger share."""
    figure, axes = canvas("Recalled episodes", "decision", "end of the recalled episode")
    number, share = arrays["recalled"][..., 0], arrays["recalled"][..., 1]
    found = number >= 0
    decision = np.broadcast_to(times.to_numpy()[:, None], number.shape)
    axes.scatter(
        decision[found], arrays["recalled_end"][found], s=4 + 120 * share[found], color=NETWORK, alpha=0.35, linewidth=0
    )
    dates(axes.xaxis)
    dates(axes.yaxis)
    return figure


_DRAWN: dict[str, Callable[[pd.DatetimeIndex, Mapping[str, np.ndarray]], Figure]] = {
    "attention": _attention,
    "recalled": _recalled,
}


def _shares(name: str, times: pd.DatetimeIndex, values: np.ndarray, parts: Sequence[str]) -> Figure:
    figure, axes = canvas(f"{name.capitalize()}: how much each part counts", "", "share")
    for part, column, colour in zip(parts, values.T, cycle(COLOURS), strict=False):
        axes.plot(times.to_numpy(), column, color=colour, label=part, marker="o", markersize=2.5, linewidth=1.0)
    axes.axhline(1.0 / len(parts), color=GRID, linewidth=1.2, label="equal shares")
    axes.set_ylim(0.0, 1.0)
    percent(axes.yaxis)
    dates(axes.xaxis)
    legend(axes)
    return figure
