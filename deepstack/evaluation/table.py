"""The network beside its baselines, figure by figure: the one table that the report, the terminal and the docs show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One figure of every model.

    Attributes:
        label: what a reader calls it, with its unit.
        cells: formatted, in the order of the models; an undefined figure is a dash.
        best: which cells hold the best figure; none where bigger is neither better nor worse.
    """

    label: str
    cells: list[str]
    best: list[bool]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _four(value: float) -> str:
    return f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


COMPACT = ("auc", "log_loss", "trades_taken", "win_rate", "expectancy_r", "sharpe")
"""Figures of the compact table."""

# key, label, format, and +1 where more is better, -1 where less is, 0 where neither
_FIGURES: tuple[tuple[str, str, Callable[[float], str], int], ...] = (
    ("auc", "AUC", _three, +1),
    ("log_loss", "Log-loss (nats)", _four, -1),
    ("brier", "Brier score", _four, -1),
    ("ece", "Calibration error (ECE)", _four, -1),
    ("threshold", "Threshold", _three, 0),
    ("coverage", "Coverage", _percent, 0),
    ("trades_taken", "Trades taken", _count, 0),
    ("win_rate", "Win rate", _percent, +1),
    ("expectancy_r", "Expectancy (R a trade)", _signed, +1),
    ("profit_factor", "Profit factor", _three, +1),
    ("sharpe", "Sharpe (a year)", _three, +1),
    ("sortino", "Sortino (a year)", _three, +1),
    ("calmar", "Calmar", _three, +1),
    ("max_drawdown", "Maximum drawdown", _percent, +1),
    ("total_return", "Total return", _percent, +1),
    ("exposure", "Exposure", _percent, 0),
    ("turnover", "Turnover (× equity a year)", _count, 0),
    ("accuracy", "Accuracy", _percent, +1),
    ("recall", "Recall", _percent, 0),
    ("f1", "F1", _three, 0),
)


def comparison_rows(blocks: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """One row a figure.

    Args:
        blocks: model → its block of figures, the network first.
    """
    rows = []
    for key, label, show, better in _FIGURES:
        values = [block.get(key) for block in blocks.values()]
        if all(value is None for value in values):
            continue
        defined = [value for value in values if value is not None]
        best = max(defined, key=lambda value: better * value)
        marks = [bool(better) and len(set(defined)) > 1 and value == best for value in values]
        rows.append(Row(label, [_cell(block, key, show) for block in blocks.values()], marks))
    return rows


def _cell(block: Mapping[str, Any], key: str, show: Callable[[float], str]) -> str:
    if block.get(key) is None:
        return "–"
    interval = block.get(f"{key}_ci95")
    return show(block[key]) + (f" [{show(interval[0])}, {show(interval[1])}]" if interval else "")


def by_output(report: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Output → model → its block of figures, the network first; a lone output is called ''.

    Args:
        report: a report.json with `test` and, if any were fitted, `baselines`.
    """
    models = {"network": report["test"], **report.get("baselines", {})}
    if "auc" in report["test"]:
        return {"": models}
    return {output: {name: blocks[output] for name, blocks in models.items()} for output in report["test"]}


def markdown_lines(report: Mapping[str, Any]) -> list[str]:
    """The verdict and a table an output as Markdown, which reads as well on a terminal.

    Args:
        report: a report.json with `verdict`, `test` and `baselines`.
    """
    lines = [report["verdict"]]
    for output, blocks in by_output(report).items():
        blocks = {report.get("subject", name) if name == "network" else name: one for name, one in blocks.items()}
        lines += ["", *_markdown_table(f"test slice, {output[1:]}" if output else "test slice", blocks)]
    return lines


def compact_lines(report: Mapping[str, Any]) -> list[str]:
    """The verdict and a table an output with one row a model and the figures that matter most: for many models."""
    lines = [report["verdict"]]
    shown = {key: (label, show) for key, label, show, _ in _FIGURES if key in COMPACT}
    for output, blocks in by_output(report).items():
        head = [f"test slice, {output[1:]}" if output else "test slice", *(label for label, _ in shown.values())]
        body = [head]
        for name, block in blocks.items():
            title = report.get("subject", name) if name == "network" else name
            cells = [_cell({key: block.get(key)}, key, show) for key, (_, show) in shown.items()]
            body.append([str(title).replace("_", " "), *cells])
        lines += ["", *_padded(body)]
    return lines


def _markdown_table(title: str, blocks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = comparison_rows(blocks)
    header = [title, *(name.replace("_", " ") for name in blocks)]
    return _padded([header, *([row.label, *row.cells] for row in rows)])


def _padded(body: list[list[str]]) -> list[str]:
    """Rows as Markdown, their columns aligned; the first is the header."""
    header = body[0]
    widths = [max(len(line[k]) for line in body) for k in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells[1:], widths[1:], strict=True))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:])]) + "|"
    return [line(header), rule, *(line(cells) for cells in body[1:])]
