"""Load the network from its .keras file and train it further: `python examples/load_keras.py artifacts/<run>`."""

import sys
from pathlib import Path

import keras
import numpy as np

import deepstack.layers  # noqa: F401 - tells Keras what the layers of the file are


def main(folder: Path) -> None:
    network = keras.models.load_model(folder / "model.keras", compile=False)
    network.summary()

    # An ordinary Keras model: it takes scaled features and returns one logit. Random data stands in for yours.
    random = np.random.default_rng(0)
    x = random.normal(size=(256, network.inputs[0].shape[-1])).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.float32)
    network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    history = network.fit({"features": x}, y, epochs=1, verbose=0)
    print(f"loss {history.history['loss'][0]:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
