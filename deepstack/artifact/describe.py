"""What a client needs to know of a servable, as files inside it: its features, scalers and thresholds."""

import json
from collections.abc import Sequence
from pathlib import Path

from deepstack.artifact.decision import Decision
from deepstack.features.scale import scaler_constants


def write_description(folder: Path, decision: Decision, features: Sequence[str]) -> None:
    """Write `features.txt`, one name a line, `scaler.json` and `thresholds.json`.

    Args:
        folder: the version's `assets.extra`; made here.
        decision: scaling, head, priors and thresholds.
        features: names of the columns of each input, in order; without any there is no `features.txt`.
    """
    scalers = {
        key: dict(zip(("low", "high", "mean", "scale"), (v.tolist() for v in scaler_constants(scaler)), strict=True))
        for key, scaler in decision.scalers.items()
    }
    settled = {
        "head": decision.head.kind,
        "outputs": list(decision.head.names),
        "classes": list(decision.class_names),
        "thresholds": list(decision.thresholds),
        "priors": None if decision.priors is None else decision.priors.tolist(),
        "calibrations": [calibration.tree() for calibration in decision.calibrations],
    }
    texts = {"scaler.json": _json(scalers), "thresholds.json": _json(settled)}
    if features:
        texts["features.txt"] = "".join(f"{name}\n" for name in features)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _json(tree: object) -> str:
    return json.dumps(tree, indent=1, allow_nan=False) + "\n"
