"""Ask the exported SavedModel: `TF_ENABLE_ONEDNN_OPTS=0 python examples/load_saved_model.py artifacts/<run>`.

Needs TensorFlow and numpy; neither deepstack nor Keras. Scaling, prior and threshold are inside the graph.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(folder: Path) -> None:
    (version,) = folder.glob("serving/*/1")
    (listed,) = folder.glob("*_features.csv")
    with listed.open(newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]

    model = tf.saved_model.load(str(version))
    serve = model.signatures["serving_default"]

    features = np.zeros((1, len(names)), np.float32)  # one row a trade, unscaled, columns in the order of `names`
    answer = serve(features=tf.constant(features))
    print(f"probability {answer['probability'][0]:.6f}, take it: {bool(answer['decision'][0])}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
