"""What a leaderboard leaves behind: JSON and CSV for programs, a page and a plot for people."""

import base64
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from deepstack.artifact.atomic import write_atomic
from deepstack.evaluation import report
from deepstack.evaluation._canvas import MUTED, NETWORK, OTHER, canvas
from deepstack.evaluation.report import json_ready, png

COLOURS = {"network": NETWORK, "ensemble": OTHER, "baseline": MUTED}

# key, heading, format
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("auc", "AUC", ".4f"),
    ("log_loss", "log-loss", ".4f"),
    ("ece", "ECE", ".4f"),
    ("expectancy_r", "net R a trade", "+.3f"),
    ("trades_taken", "trades", ",.0f"),
    ("sharpe", "Sharpe (a year)", "+.2f"),
    ("max_drawdown", "drawdown", ".1%"),
    ("deflated_sharpe", "deflated Sharpe", ".3f"),
    ("seconds", "s a fit", ".0f"),
    ("parameters", "parameters", ",.0f"),
)


NOTE = (
    "± is the deviation over folds, seeds and outputs, or over accounts; brackets are 95 % intervals of the paired "
    "difference to the best baseline, which is chosen on validation."
)


def write_board(out: Path, found: Mapping[str, Any]) -> None:
    """Write `leaderboard.json`, `leaderboard.csv`, `leaderboard.html` and `plots/leaderboard.png`.

    Args:
        out: an existing folder.
        found: what `leaderboard` found.
    """
    tree = json_ready(found)
    image = png(draw(tree))
    (out / "plots").mkdir(exist_ok=True)
    texts = {
        "leaderboard.json": json.dumps(tree, indent=2, allow_nan=False) + "\n",
        "leaderboard.csv": to_csv(tree),
        "leaderboard.html": to_html(tree, image),
    }
    for name, text in texts.items():
        write_atomic(out / name, lambda part, text=text: part.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    write_atomic(out / "plots" / "leaderboard.png", lambda part: part.write_bytes(image))


def to_csv(found: Mapping[str, Any]) -> str:
    """One row a model; a spread is two columns, `auc` and `auc_sd`."""
    rows = []
    for row in found["board"]:
        flat: dict[str, Any] = {}
        for key, value in row.items():
            if isinstance(value, dict) and set(value) == {"mean", "sd"}:
                flat |= {key: value["mean"], f"{key}_sd": value["sd"]}
            elif key == "auc_minus_best_baseline":
                flat[key] = None if value is None else value["estimate"]
            elif not isinstance(value, list):
                flat[key] = value
        rows.append(flat)
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def markdown_lines(found: Mapping[str, Any]) -> list[str]:
    """The table as Markdown, best AUC first, which reads as well on a terminal."""
    heads = ["model", *(heading for _, heading, _ in COLUMNS), "AUC over best baseline"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for row in found["board"]:
        name = f"`{row['model']}`" if row["kind"] == "network" else row["model"].replace("_", " ")
        cells = [_cell(row.get(key), digits) for key, _, digits in COLUMNS]
        lines.append("| " + " | ".join([name, *cells, _difference(row["auc_minus_best_baseline"])]) + " |")
    return lines


def summary_lines(found: Mapping[str, Any]) -> list[str]:
    """What the table as a whole says: sample sizes, choice, snooping."""
    best = found["board"][0]["model"]
    lines = [
        f"{len(found['board'])} strategies, {found['samples']['tested']:,} tested samples of "
        f"{len(found['data']['symbols'])} symbols; best AUC: {best}; best baseline by validation: "
        f"{found['best_baseline']}."
    ]
    left_out = Counter(
        name for fit in found["samples"]["fits"] for each in fit["dropped_from_ensembles"] for name in each
    )
    if left_out:
        fits = len(found["samples"]["fits"]) * len(found["snooping"])
        names = ", ".join(f"{name} in {count} of {fits}" for name, count in left_out.most_common())
        lines.append(f"Left out of the ensembles, by the rule that the equal mean is better without: {names}.")
    for output, tests in found["snooping"].items():
        where = "" if output == "won" else f" ({output})"
        if tests["reality_check_p"] is None:
            lines.append(
                f"Whether the best of them earns more than nothing{where} cannot be said: too few days of returns."
            )
            continue
        lines.append(
            f"Does the best of them earn more than nothing{where}, allowing for the choice? Reality check "
            f"p = {_number(tests['reality_check_p'])}, SPA p = {_number(tests['spa_p'])}; probability of overfitting "
            f"{_number(tests['overfitting'])}; {found['trials']} strategies in the ledger."
        )
    return lines


def draw(found: Mapping[str, Any]) -> Figure:
    """AUC of every model with its deviation over fits, the best at the top."""
    figure, axes = canvas("AUC on the test slices, mean and deviation over folds, seeds, outputs", "AUC", "")
    rows = found["board"][::-1]
    for place, row in enumerate(rows):
        colour = COLOURS[row["kind"]]
        mean, deviation = row["auc"]["mean"] or np.nan, row["auc"]["sd"] or 0.0
        axes.errorbar(mean, place, xerr=deviation, fmt="o", color=colour, markersize=5, capsize=2)
    axes.axvline(0.5, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.set_yticks(range(len(rows)), [row["model"].replace("_", " ") for row in rows])
    figure.set_size_inches(7.5, 1.2 + 0.28 * len(rows))
    return figure


def to_html(found: Mapping[str, Any], image: bytes) -> str:
    """One self-contained page."""
    folders = [Path(__file__).parent, Path(report.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        {
            "name": row["model"].replace("_", " "),
            "kind": row["kind"],
            "cells": [_cell(row.get(key), digits) for key, _, digits in COLUMNS]
            + [_difference(row["auc_minus_best_baseline"])],
        }
        for row in found["board"]
    ]
    heads = [*(heading for _, heading, _ in COLUMNS), "AUC over best baseline"]
    return environment.get_template("leaderboard.html.j2").render(
        found=found,
        heads=heads,
        rows=rows,
        lines=summary_lines(found),
        image=base64.b64encode(image).decode("ascii"),
        folds=json.dumps(found["folds"]),
    )


def _cell(value: Any, digits: str) -> str:
    if isinstance(value, dict):
        if value["mean"] is None:
            return "–"
        spread = "" if value["sd"] is None else f" ± {format(value['sd'], digits.lstrip('+'))}"
        return format(value["mean"], digits) + spread
    return "–" if value is None else format(value, digits)


def _difference(value: Any) -> str:
    if value is None or value["estimate"] is None:
        return "–"
    between = "" if value["ci95"] is None else " [{:+.3f}, {:+.3f}]".format(*value["ci95"])
    return f"{value['estimate']:+.3f}{between}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
