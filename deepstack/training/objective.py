"""What training minimises, and by which figure a reader follows it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.metrics import roc_auc_score

from deepstack.config.training import TrainingConfig
from deepstack.models.heads import Head
from deepstack.training.losses import SampleLoss, make_loss


@dataclass(frozen=True)
class Objective:
    """A loss and a figure of merit.

    Attributes:
        loss: (targets, raw outputs) → one value a sample and output.
        auc: (targets, raw outputs of all samples) → a number in [0, 1], NaN where it has no meaning.
    """

    loss: SampleLoss
    auc: Callable[[np.ndarray, np.ndarray], float]


def objective_of(head: Head, config: TrainingConfig, priors: np.ndarray | None = None) -> Objective:
    """The loss a config asks of a head, and the head's mean AUC; `priors` as `make_loss` takes them."""
    return Objective(make_loss(head, config, priors), partial(mean_auc, head))


def own_loss() -> Objective:
    """For a model whose output is its loss, `[batch, 1]`."""
    return Objective(lambda y, raw: raw, lambda y, raw: math.nan)


def mean_auc(head: Head, y: np.ndarray, raw: np.ndarray) -> float:
    """Mean over outputs of the macro one-against-rest AUC; NaN where a class is absent or a score is not finite.

    Args:
        head: what the raw outputs mean.
        y: float32 [samples, outputs, classes + 2], one-hot first.
        raw: float32, the model's outputs.
    """
    scores = np.asarray(head.probabilities(raw, np.zeros((), np.float32)))
    codes = y[..., :-2].argmax(axis=-1)
    if not np.isfinite(scores).all() or any(len(np.unique(output)) < head.classes for output in codes.T):
        return math.nan
    return float(np.mean([_auc(output, score) for output, score in zip(codes.T, scores.swapaxes(0, 1), strict=True)]))


def _auc(codes: np.ndarray, scores: np.ndarray) -> float:
    if scores.shape[1] == 2:
        return float(roc_auc_score(codes, scores[:, 1]))
    return float(np.mean([roc_auc_score(codes == k, scores[:, k]) for k in range(scores.shape[1])]))
