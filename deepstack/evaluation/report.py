"""What a run leaves behind to be read: report.json for programs, report.html and plots/*.png for people."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepstack.evaluation.certificate import sentences
from deepstack.evaluation.regimes import regime_table
from deepstack.evaluation.table import by_output, comparison_rows

SCHEMA_VERSION = 1


def write_report(folder: Path, report: Mapping[str, Any], figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Write `report.json`, `report.html` and `plots/<name>.png`.

    Args:
        folder: an existing folder.
        report: what report.json shall hold, in plain or numpy values; `schema_version` is added.
        figures: file name without suffix → figure, shown in this order; drawn by `plots`.

    Returns:
        The report as written.

    Raises:
        TypeError: a value that JSON cannot hold.
    """
    written = {"schema_version": SCHEMA_VERSION, **json_ready(report)}
    (folder / "report.json").write_text(json.dumps(written, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    images = {name: png(figure) for name, figure in figures.items()}
    (folder / "plots").mkdir(exist_ok=True)
    for name, image in images.items():
        (folder / "plots" / f"{name}.png").write_bytes(image)
    (folder / "report.html").write_text(render_html(written, images), encoding="utf-8")
    return written


def json_ready(value: Any) -> Any:
    """The value in types strict JSON has; a figure that is not finite is undefined and becomes null."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"a report cannot hold {type(value).__name__}: {value!r}")


def render_html(report: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """One self-contained page: styles and PNG images inside, nothing fetched.

    Args:
        report: as in report.json; sections it lacks are left out.
        images: name → PNG.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    outputs = by_output(report)
    deflated = _deflated(report.get("deflated") or {})
    comparison = report.get("comparison") or {}
    return environment.get_template("report.html.j2").render(
        report=report,
        tables=[
            {
                "title": output[1:],
                "models": [_shown(name, report) for name in blocks],
                "rows": comparison_rows(blocks),
                "network": blocks["network"],
                "comparison": comparison.get(output, {}) if output else comparison,
            }
            for output, blocks in outputs.items()
        ],
        facts={
            name: _flat(report[name]) for name in ("data", "features", "samples", "model", "timing_s") if name in report
        },
        extras={
            name: _show(report[name])
            for name in ("trials", "epochs", "train_samples_per_s", "peak_rss_mb")
            if report.get(name) is not None
        },
        certified=sentences(report["certificate"]) if "certificate" in report else [],
        company=report.get("ensemble", {}).get("company", {}),
        deflated=deflated,
        stressed=_stressed(report.get("stress") or {}),
        deflated_rows=_deflated_rows(list(deflated.values())),
        config=json.dumps(report.get("config", {}), indent=2),
        regimes=[
            regime_table(output, {_shown(name, report): figures for name, figures in models.items()})
            for output, models in report.get("regimes", {}).items()
        ],
        subject=report.get("subject", "network"),
        images={name: base64.b64encode(image).decode("ascii") for name, image in images.items()},
    )


def _shown(name: str, report: Mapping[str, Any]) -> str:
    """A model as readers know it; what is judged may be an ensemble."""
    return str(report.get("subject", name)) if name == "network" else name.replace("_", " ")


def _deflated(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Output → its block; a lone output is called ''."""
    return {"": found} if "trials" in found else {output[1:]: block for output, block in found.items()}


def _deflated_rows(blocks: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    interval = [
        "" if block["sharpe_daily_ci95"] is None else " [{:.2f}, {:.2f}]".format(*block["sharpe_daily_ci95"])
        for block in blocks
    ]
    names = {
        "Strategies tried": "trials",
        "Choices made": "choices",
        "Sharpe of daily returns (a year)": "sharpe_daily",
        "Probabilistic Sharpe ratio": "probabilistic_sharpe",
        "Deflated Sharpe ratio": "deflated_sharpe",
        "Probability of backtest overfitting": "overfitting",
    }
    rows = {label: [_show(block[key]) for block in blocks] for label, key in names.items()}
    sharpe = "Sharpe of daily returns (a year)"
    return rows | {sharpe: [cell + more for cell, more in zip(rows[sharpe], interval, strict=True)]}


def _stressed(found: Any) -> dict[str, list[dict[str, str]]]:
    """Output → rows with their cells as text; a lone output is called ''."""
    outputs = {"": found} if isinstance(found, list) else {output[1:]: rows for output, rows in found.items()}
    return {
        output: [{name.replace("_", " "): _show(value) for name, value in row.items()} for row in rows]
        for output, rows in outputs.items()
        if rows
    }


def _flat(section: Mapping[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): _show(value) for name, value in section.items()}


def _show(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_show(item) for item in value) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_show(item)}" for name, item in value.items()) or "–"
    return str(value) or "–"


def png(figure: Figure) -> bytes:
    """The figure as PNG, without the writer's version and date, so that equal runs give equal files."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
