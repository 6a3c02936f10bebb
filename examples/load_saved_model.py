"""Ask the exported SavedModel: `TF_ENABLE_ONEDNN_OPTS=0 python examples/load_saved_model.py artifacts/<run>`.

Needs TensorFlow and numpy; neither deepstack nor Keras. Scaling, prior and threshold are inside the graph. Its inputs
and outputs, of every kind of model, are in docs/artifact.md; this prints what this artifact's are.
"""

import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf


def example(spec: tf.TensorSpec) -> tf.Tensor:
    """One random row; yours are unscaled features, columns as in <name>_features.csv, bars from the oldest."""
    if spec.dtype == tf.int32:  # decision_s, when the decision is made: seconds since 2000-01-01 UTC
        return tf.constant([[int(time.time()) - 946_684_800]])
    return tf.constant(np.random.default_rng(0).normal(size=(1, *spec.shape[1:])), spec.dtype)


def main(folder: Path) -> None:
    (version,) = folder.glob("serving/*/1")
    model = tf.saved_model.load(str(version))
    serve = model.signatures["serving_default"]

    inputs = {name: example(spec) for name, spec in serve.structured_input_signature[1].items()}
    for name, values in inputs.items():
        print(f"in: {name} {list(values.shape)}")
    for name, values in sorted(serve(**inputs).items()):
        print(f"out: {name} {list(values.shape)} {np.array2string(values[0].numpy(), precision=6, threshold=40)}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/load_saved_model.py artifacts/<run>")
    main(Path(sys.argv[1]))
