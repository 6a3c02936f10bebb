"""Load the network from its HDF5 file: `python examples/load_h5.py artifacts/<run>`.

The file holds architecture and weights. Its output is the raw logit of scaled features; what turns that into the
probability of the report (the scaler, the priors) stands beside it in the artifact.
"""

import sys
from pathlib import Path

import keras
import numpy as np

import deepstack.layers  # noqa: F401 - tells Keras what the layers of the file are
from deepstack import open_artifact


def main(folder: Path) -> None:
    artifact = open_artifact(folder)  # verifies every file's sha256 first
    network = keras.models.load_model(artifact.path("model.h5"), compile=False)

    features = np.zeros((1, len(artifact.features)), np.float32)  # unscaled, in the order of artifact.features
    scaled = artifact.scalers["features"].transform(features)
    logit = network.predict({"features": scaled}, verbose=0)[:, 0]
    if artifact.priors is not None:  # None when training.balance_classes was off
        lost, won = artifact.priors[0]
        logit += np.log(won / lost)
    probability = 1 / (1 + np.exp(-logit))
    print(f"probability {probability[0]:.6f}, take it: {bool(probability[0] >= artifact.thresholds[0])}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
