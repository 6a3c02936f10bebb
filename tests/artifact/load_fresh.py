"""What a user's own script does with an artifact's files, in a process of its own. argv: JSON job."""

import json
import sys

import numpy as np

job = json.loads(sys.argv[1])

if job["what"] == "pickles":
    import joblib

    scaler, threshold = joblib.load(job["scaler"]), joblib.load(job["threshold"])
    assert isinstance(threshold, float)
    np.save(job["result"], scaler.transform(np.load(job["features"])))
    assert not [name for name in sys.modules if name.partition(".")[0] in ("deepstack", "tensorflow", "keras")]
else:
    import keras

    import deepstack.layers  # noqa: F401 - registers the layers with Keras

    for model, features, result in job["models"]:
        network = keras.models.load_model(model, compile=False)
        given = np.load(features)
        inputs = dict(given) if hasattr(given, "files") else {"features": given}
        np.save(result, network.predict(inputs, verbose=0))
    assert not [name for name in sys.modules if name.startswith(("deepstack.models", "deepstack.artifact"))]
