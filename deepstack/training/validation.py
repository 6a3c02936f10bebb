"""Validation figures at the end of an epoch."""

from collections.abc import Callable, Iterable

import numpy as np

from deepstack.samples.batches import Samples
from deepstack.training.objective import Objective
from deepstack.training.step import Batch

VALIDATION_SHARE = 256
"""Samples of a validation batch on each replica, at least: without a backward pass they need little memory."""


def validate(
    predict: Callable[[Batch], object], batches: Iterable[Batch], samples: Samples, objective: Objective
) -> tuple[float, float]:
    """Weighted mean loss, Σ weight · loss / Σ weight, and AUC of one pass over `samples`.

    Args:
        predict: batch → outputs, gathered over replicas in sample order.
        batches: all samples in order, the last batch filled up.
        samples: the validation slice; its weights count as they do in training.
        objective: the training loss, without the model's own losses, and the AUC.

    Returns:
        (val_loss in nats, val_auc).
    """
    raw = np.concatenate([np.asarray(predict(batch)) for batch in batches])[: len(samples)]
    losses = np.asarray(objective.loss(samples.y, raw), np.float64)
    weight = samples.weight.astype(np.float64)
    return float((losses * weight).sum() / weight.sum()), objective.auc(samples.y, raw)
