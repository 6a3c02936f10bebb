"""The style of every figure: colours, an empty canvas, and how axes are written."""

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

INK, MUTED, GRID = "#1f2933", "#6b7785", "#e3e8ee"
NETWORK, OTHER, SIGNAL = "#1f5fa8", "#b45f06", "#9aa5b1"


def canvas(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """One empty figure in the style of all."""
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


def legend(axes: Axes) -> None:
    """Name the lines, without a frame."""
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")


def percent(*axes: Axis) -> None:
    """Write shares as per cent."""
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def dates(*axes: Axis) -> None:
    """Write times as short as they can be."""
    for axis in axes:
        locator = AutoDateLocator(minticks=3, maxticks=10)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))
