"""What report.json says of a run, apart from the judgement."""

import resource
import sys
from typing import Any

import keras
import numpy as np

from deepstack.config.run import RunConfig
from deepstack.features.catalogue import FEATURES, GROUP_OF
from deepstack.pipeline.samples import Slices
from deepstack.training.fit import FitResult


def facts_of(config: RunConfig, slices: Slices, model: keras.Model, layers: int, fitted: FitResult) -> dict[str, Any]:
    """The sections `config features samples trials model …` of report.json.

    Args:
        layers: counted layers of the model.
    """
    split, scaled, found = slices.split, slices.scaled, slices.found
    return {
        "config": config.model_dump(mode="json"),
        "features": {"count": len(scaled.names), "computed": len(found.names), "warmup_bars": found.warmup_bars},
        "samples": {
            "train": len(split.train),
            "val": len(split.validation),
            "test": len(split.test),
            "purged": split.purged,
            "embargoed": split.embargoed,
            "in_warmup": found.in_warmup,
            "gap_windows": found.gap_windows,
            "positive_rate": float(slices.won.mean()),
            "prior": scaled.prior,
            "validation_cut": split.validation_cut.isoformat(),
            "test_cut": split.test_cut.isoformat(),
        },
        "trials": 1,
        "model": {
            "name": config.model.name,
            "layers": layers,
            "parameters": model.count_params(),
            "trainable_parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        },
        "peak_rss_mb": peak_rss_mb(),
        "train_samples_per_s": fitted.samples_per_s,
        "epochs": fitted.epochs,
        "batch_size": fitted.batch_size,
        "precision": fitted.precision,
        "stopped_early": fitted.stopped_early,
    }


def feature_rows(names: tuple[str, ...]) -> list[dict[str, object]]:
    """One row a feature for `<name>_features.csv`."""
    return [
        {
            "name": name,
            "group": GROUP_OF[name],
            "unit": FEATURES[name].unit,
            "lookback_bars": FEATURES[name].lookback_bars,
            "formula": FEATURES[name].formula,
        }
        for name in names
    ]


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
