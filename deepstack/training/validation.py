"""Validation figures at the end of an epoch."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from sklearn.metrics import roc_auc_score

from deepstack.samples.batches import Samples
from deepstack.training.losses import SampleLoss
from deepstack.training.step import Batch

VALIDATION_SHARE = 256
"""Samples of a validation batch on each replica, at least: without a backward pass they need little memory."""


def validate(
    predict: Callable[[Batch], object], batches: Iterable[Batch], samples: Samples, loss: SampleLoss
) -> tuple[float, float]:
    """Weighted mean loss, Σ weight · loss / Σ weight, and AUC of one pass over `samples`.

    Args:
        predict: batch → outputs, gathered over replicas in sample order.
        batches: all samples in order, the last batch filled up.
        samples: the validation slice; its weights count as they do in training.
        loss: the training loss, without the model's own losses.

    Returns:
        (val_loss in nats, unweighted AUC of the first output); the AUC is NaN if labels are not one binary column.
    """
    outputs = np.concatenate([np.asarray(predict(batch)) for batch in batches])[: len(samples)]
    losses = np.asarray(loss(samples.y.astype(np.float32), outputs), np.float64)
    weight = samples.weight.astype(np.float64)
    return float(losses @ weight / weight.sum()), _auc(samples.y, outputs)


def _auc(y: np.ndarray, outputs: np.ndarray) -> float:
    scores = outputs.reshape(len(y), -1)
    if y.size != len(y) or scores.shape[1] != 1 or len(np.unique(y)) != 2 or not np.isfinite(scores).all():
        return math.nan
    return float(roc_auc_score(y.ravel() > 0.5, scores[:, 0]))
