"""Run in a fresh process: predictions of one network from each file format. Arguments: folder, formats …"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

folder, *formats = sys.argv[1:]
folder = Path(folder)
x = np.load(folder / "x.npy")

if "exported" in formats:  # before deepstack is imported: a SavedModel needs nothing of it
    served = tf.saved_model.load(str(folder / "exported")).signatures["serving_default"]
    np.save(folder / "exported.npy", next(iter(served(tf.constant(x)).values())).numpy())

import deepstack.layers  # noqa: E402, F401  registers the layers

for name in formats:
    if name != "exported":
        model = keras.models.load_model(folder / name, compile=False)
        np.save(folder / f"{name}.npy", model(x).numpy())
        np.save(folder / f"{name}.train.npy", model(x, training=True).numpy())
