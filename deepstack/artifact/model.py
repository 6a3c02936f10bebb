"""A verified artifact's network: architecture from our own code, weights from the file, nothing executed from it."""

import math

import keras
import numpy as np
from scipy.special import expit

from deepstack.artifact.load import Artifact
from deepstack.models import catalogue


def load_network(artifact: Artifact) -> keras.Model:
    """Build the artifact's model from its config and load its weights."""
    model = artifact.config.model
    network = catalogue.build(model.name, {"features": (len(artifact.features),)}, "binary", model.options)
    network.load_weights(artifact.folder / "model.keras")
    return network


def win_probability(
    network: keras.Model, scaled: np.ndarray, prior: float | None, batch_size: int = 4096
) -> np.ndarray:
    """Probability that each trade wins, corrected to the prior.

    Args:
        network: one logit a row.
        scaled: float32 [rows, features].
        prior: share of winners that balanced training has hidden; None when training was not balanced.
        batch_size: rows a forward pass.

    Returns:
        float64 [rows].
    """
    logit = network.predict({"features": scaled}, batch_size=batch_size, verbose=0).astype(np.float64).reshape(-1)
    return expit(logit + (0.0 if prior is None else math.log(prior / (1.0 - prior))))
