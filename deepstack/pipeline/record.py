"""What report.json says of a run, apart from the judgement."""

import resource
import sys
from typing import Any

import keras
import numpy as np

from deepstack.config.run import RunConfig
from deepstack.features.catalogue import EVERYTHING, GROUP_OF
from deepstack.pipeline.samples import Slices
from deepstack.training.fit import FitResult


def facts_of(config: RunConfig, slices: Slices, model: keras.Model, layers: int, fitted: FitResult) -> dict[str, Any]:
    """The sections `config features samples trials model …` of report.json.

    Args:
        layers: counted layers of the model.
    """
    split, codes = slices.split, slices.labels.codes
    return {
        "config": config.model_dump(mode="json"),
        "features": {"count": len(slices.names), "computed": slices.computed, "warmup_bars": slices.warmup_bars},
        "samples": {
            "train": len(split.train),
            "val": len(split.validation),
            "test": len(split.test),
            "purged": split.purged,
            "embargoed": split.embargoed,
            "in_warmup": slices.in_warmup,
            "gap_windows": slices.gap_windows,
            "windows_across_gaps": slices.across_gaps,
            "positive_rate": float((codes == len(slices.labels.classes) - 1).mean()),
            "prior": slices.priors[0, 1] if slices.priors is not None and len(slices.labels.classes) == 2 else None,
            "priors": slices.priors,
            "validation_cut": split.validation_cut.isoformat(),
            "test_cut": split.test_cut.isoformat(),
        },
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
            "unit": EVERYTHING[name].unit,
            "lookback_bars": EVERYTHING[name].lookback_bars,
            "formula": EVERYTHING[name].formula,
        }
        for name in names
    ]


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
