"""Load the network from its .keras file and train it further: `python examples/load_keras.py artifacts/<run>`."""

import sys
from pathlib import Path

import keras
import numpy as np

import deepstack.layers  # noqa: F401 - tells Keras what the layers of the file are


def main(folder: Path) -> None:
    network = keras.models.load_model(folder / "model.keras", compile=False)
    network.summary()

    # An ordinary Keras model: it takes scaled features by name and returns logits, one for won or lost, three for sell,
    # hold, buy, then a log-variance if it predicts one. Random data stands in for yours.
    random = np.random.default_rng(0)
    x = {tensor.name: random.normal(size=(256, *tensor.shape[1:])).astype(tensor.dtype) for tensor in network.inputs}
    *outputs, width = network.output.shape[1:]
    y = random.integers(0, 2 if width <= 2 else 3, (256, *(outputs or [1])))

    def loss(y: keras.KerasTensor, raw: keras.KerasTensor) -> keras.KerasTensor:
        if width <= 2:
            return keras.losses.binary_crossentropy(y, raw[:, :1], from_logits=True)
        return keras.losses.sparse_categorical_crossentropy(y, raw[..., :3], from_logits=True)

    network.compile("adam", loss)
    history = network.fit(x, y, epochs=1, verbose=0)
    print(f"loss {history.history['loss'][0]:.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/load_keras.py artifacts/<run>")
    main(Path(sys.argv[1]))
