"""Drawings of what a network looked at, and of what it foresees."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.evaluation._canvas import INK, MUTED, NETWORK, OTHER, SIGNAL, canvas, dates, legend, percent

COLOURS = (NETWORK, OTHER, SIGNAL, INK)
BANDS = ("#cfe0f2", "#8db4dd")
"""From the outermost in."""


def explanation_figures(
    moments: pd.DataFrame, arrays: Mapping[str, np.ndarray], parts: Mapping[str, Sequence[str]]
) -> dict[str, Figure]:
    """One figure for each array of an explanation.

    Args:
        moments: columns symbol and decision_time, one row a decision.
        arrays: name → [decisions, …], as `deepstack.explain` gives them; datetime64 ends stand beside `recalled`.
        parts: name → what its columns are called, for the arrays of shares.
    """
    figures = {}
    for name, values in arrays.items():
        if name in _DRAWN:
            figures[name] = _DRAWN[name](moments, arrays)
        elif name in parts:
            figures[name] = _shares(name, moments, values, parts[name])
    return figures


def fan(quantiles: pd.DataFrame, symbol: str, last_close: pd.Timestamp) -> Figure:
    """Quantiles of the coming log returns from 0 at the last close on, the outer ones as bands.

    Args:
        quantiles: index close_time, columns `q0.05` and so on from the lowest to the highest, an odd number of them.
        symbol: for the title.
        last_close: when the last known bar closed.
    """
    figure, axes = canvas(f"What may come, {symbol}", "", "log return from the last close")
    times = pd.DatetimeIndex([last_close, *quantiles.index]).tz_localize(None).to_numpy()
    paths = {str(name): np.append(0.0, column) for name, column in quantiles.items()}
    columns = list(paths)
    for k, colour in zip(range(len(columns) // 2), cycle(BANDS), strict=False):
        low, high = columns[k], columns[-1 - k]
        label = f"{_per_cent(low)} to {_per_cent(high)}"
        axes.fill_between(times, paths[low], paths[high], color=colour, linewidth=0, label=label)
    axes.plot(times, paths[columns[len(columns) // 2]], color=NETWORK, label="median")
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    dates(axes.xaxis)
    legend(axes)
    return figure


def _per_cent(quantile: str) -> str:
    return f"{100 * float(quantile.removeprefix('q')):g} %"


def _attention(moments: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> Figure:
    """Weight of each step for each decision, symbol after symbol, and the mean over decisions above."""
    order = moments.reset_index(drop=True).sort_values(["symbol", "decision_time"], kind="stable")
    weights = arrays["attention"][order.index]
    decisions, steps = weights.shape
    figure, axes = canvas("", "steps before the newest", "decision")
    title = f"Attention over {steps} steps, {decisions} decisions; their mean above"
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    axes.grid(visible=False)
    picture = axes.imshow(
        weights, aspect="auto", cmap="Blues", vmin=0.0, extent=(steps - 0.5, -0.5, decisions - 0.5, -0.5)
    )
    shown = np.unique(np.linspace(0, decisions - 1, min(6, decisions)).round().astype(int))
    symbols, times = order["symbol"].to_numpy(), list(order["decision_time"])
    axes.set_yticks(shown, [f"{symbols[row]} {times[row]:%m-%d %H:%M}" for row in shown])
    for row in np.flatnonzero(symbols[1:] != symbols[:-1]):
        axes.axhline(row + 0.5, color=INK, linewidth=0.8)
    figure.colorbar(picture, ax=axes, label="weight", pad=0.01)
    mean = axes.inset_axes((0.0, 1.02, 1.0, 0.14))
    mean.fill_between(np.arange(steps)[::-1], weights.mean(axis=0), color=NETWORK, alpha=0.35, linewidth=0)
    mean.set_xlim(axes.get_xlim())
    mean.set_ylim(0.0)
    mean.axis("off")
    return figure


def _recalled(moments: pd.DataFrame, arrays: Mapping[str, np.ndarray]) -> Figure:
    """When the recalled episodes had ended, a dot each, larger for a larger share."""
    figure, axes = canvas("Recalled episodes", "decision", "end of the recalled episode")
    number, share = arrays["recalled"][..., 0], arrays["recalled"][..., 1]
    found = number >= 0
    decision = np.broadcast_to(_times(moments)[:, None], number.shape)
    axes.scatter(
        decision[found], arrays["recalled_end"][found], s=4 + 120 * share[found], color=NETWORK, alpha=0.35, linewidth=0
    )
    dates(axes.xaxis)
    dates(axes.yaxis)
    return figure


_DRAWN: dict[str, Callable[[pd.DataFrame, Mapping[str, np.ndarray]], Figure]] = {
    "attention": _attention,
    "recalled": _recalled,
}


def _times(moments: pd.DataFrame) -> np.ndarray:
    return pd.DatetimeIndex(moments["decision_time"]).tz_localize(None).to_numpy()


def _shares(name: str, moments: pd.DataFrame, values: np.ndarray, parts: Sequence[str]) -> Figure:
    figure, axes = canvas(f"{name.capitalize()}: how much each part counts", "", "share")
    # A line through the decisions of several symbols would jump between them.
    times, line = _times(moments), 1.0 if moments["symbol"].nunique() == 1 else 0.0
    for part, column, colour in zip(parts, values.T, cycle(COLOURS), strict=False):
        axes.plot(times, column, color=colour, label=part, marker="o", markersize=2.5, linewidth=line)
    axes.axhline(1.0 / len(parts), color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="equal shares")
    axes.set_ylim(0.0, 1.0)
    percent(axes.yaxis)
    dates(axes.xaxis)
    legend(axes)
    return figure
