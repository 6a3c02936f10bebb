"""Where a score lies among those of worlds without an edge, as data, in words and drawn."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepstack.errors import DataError
from deepstack.evaluation._canvas import MUTED, NETWORK, canvas, legend

World = Literal["real", "mirrored", "shifted"]
WORLDS: tuple[World, ...] = ("mirrored", "shifted")
NAMES = {"mirrored": "candles without direction", "shifted": "labels of another time"}
SCORES = {"auc": "AUC", "gross_r": "gross R a trade taken"}
CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class Score:
    """What one run of the pipeline came to on its test slice.

    Attributes:
        world: `real`, `mirrored` or `shifted`.
        number: of the rerun.
        auc: mean over outputs.
        gross_r: mean over outputs of the mean result, before costs, of the trades taken.
        taken: trades taken, mean over outputs.
        seconds: it took.
    """

    world: World
    number: int
    auc: float
    gross_r: float
    taken: float
    seconds: float


def certificate(scores: Sequence[Score]) -> dict[str, Any]:
    """Where the real score lies among the others, by world and score.

    Returns:
        `real`, and for each world `reruns` and score → `real others p_value`: the share of all, the real one counted,
        that is at least as good.
    """
    (real,) = (score for score in scores if score.world == "real")
    found: dict[str, Any] = {"schema_version": 1, "real": asdict(real)}
    for world in WORLDS:
        others = [score for score in scores if score.world == world]
        found[world] = {
            name: {
                "real": getattr(real, name),
                "others": sorted(getattr(score, name) for score in others),
                "p_value": (1 + sum(getattr(s, name) >= getattr(real, name) for s in others)) / (1 + len(others)),
            }
            for name in SCORES
        } | {"reruns": len(others)}
    return found


def sentences(report: dict[str, Any]) -> list[str]:
    """The certificate in words, one line a world and score."""
    lines = []
    for world, what in NAMES.items():
        block = report[world]
        for name, shown in SCORES.items():
            one = block[name]
            below = sum(other < one["real"] for other in one["others"])
            others = f"above {below} of {block['reruns']} reruns on {what}"
            least = 1.0 / (1 + block["reruns"])
            floor = f" (no less than {least:.3f} is possible)" if one["p_value"] <= 2 * least else ""
            lines.append(f"{shown} {one['real']:.3f}: {others}, p = {one['p_value']:.3f}{floor}")
    return lines


def draw(report: dict[str, Any]) -> Figure:
    """The AUC of both worlds' reruns, and the real one."""
    figure, axes = canvas("AUC of the whole pipeline where there is no edge", "AUC", "reruns")
    for world, colour in zip(WORLDS, (NETWORK, MUTED), strict=True):
        values = report[world]["auc"]["others"]
        if values:
            axes.hist(values, bins=12, color=colour, alpha=0.55, label=NAMES[world])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axvline(report["real"]["auc"], color="black", linewidth=1.6, label="real")
    legend(axes)
    return figure


def read_certificate(folder: Path, config: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """The certificate of a finished study.

    Args:
        folder: of the study.
        config: of the run that asks, as a JSON tree; its candles may lie elsewhere.
        fingerprint: of its candles.

    Raises:
        DataError: there is none, or it is of another experiment.
    """
    path = folder / CERTIFICATE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        theirs, candles = found["config"], found["data"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            str(path),
            expected="the certificate of a finished study",
            received=str(error),
            remedy="deepstack certify --out first",
        ) from error
    differ = next((key for key in config if key not in ("data", "tuning") and theirs.get(key) != config[key]), None)
    if differ is not None or candles != fingerprint:
        raise DataError(
            str(path),
            expected=f"a certificate of this {differ or 'market'}",
            received="one of another",
            remedy="deepstack certify with the same config, --set and --data",
        )
    return found
