"""Load the network from its HDF5 file: `python examples/load_h5.py artifacts/<run>`.

The file holds architecture and weights. Its output are the raw logits of scaled features; what turns them into the
probabilities of the report (the scalers, the priors) stands beside it in the artifact.
"""

import sys
import time
from pathlib import Path

import keras
import numpy as np

import deepstack.layers  # noqa: F401 - tells Keras what the layers of the file are
from deepstack import open_artifact


def main(folder: Path) -> None:
    artifact = open_artifact(folder)  # verifies every file's sha256 first
    network = keras.models.load_model(artifact.path("model.h5"), compile=False)

    scaled = {}
    for tensor in network.inputs:
        if tensor.name in artifact.scalers:  # random rows; yours are unscaled, columns as in artifact.features
            rows = np.random.default_rng(0).normal(size=(1, *tensor.shape[1:])).astype(np.float32)
            columns = rows.reshape(-1, rows.shape[-1])
            scaled[tensor.name] = artifact.scalers[tensor.name].transform(columns).reshape(rows.shape)
        else:  # decision_s, when the decision is made: seconds since 2000-01-01 UTC
            scaled[tensor.name] = np.array([[int(time.time()) - 946_684_800]], np.int32)

    labels = artifact.config.labels
    outputs = ("won",) if labels.kind == "breakout" else labels.horizons.lengths
    logits = network.predict(scaled, verbose=0).reshape(1, len(outputs), -1)
    if artifact.config.model.uncertainty == "aleatoric":
        logits = logits[..., :-1]  # the last column is the log-variance of the outcome
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)  # lost, won
    if artifact.priors is not None:  # None when training.balance_classes was off
        logits = logits + np.log(artifact.priors)
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probability = shares / shares.sum(axis=-1, keepdims=True)  # [1, outputs, classes]

    for name, of_classes, threshold in zip(outputs, probability[0], artifact.thresholds, strict=True):
        print(f"{name}: probability {np.array2string(of_classes, precision=6)}", end=", ")
        edge = of_classes[1] if name == "won" else abs(of_classes[2] - of_classes[0])  # P(won), |P(buy) - P(sell)|
        print(f"take it: {edge >= threshold}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/load_h5.py artifacts/<run>")
    main(Path(sys.argv[1]))
