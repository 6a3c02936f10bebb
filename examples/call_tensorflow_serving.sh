#!/usr/bin/env bash
# Serve an artifact with TensorFlow Serving and ask it for one row: examples/call_tensorflow_serving.sh artifacts/<run>
# Needs docker, curl and python3. TF_ENABLE_ONEDNN_OPTS=0 makes single rows through deep networks several times faster.
set -euo pipefail

artifact=$(realpath "${1:?usage: examples/call_tensorflow_serving.sh artifacts/<run>}")
name=$(basename "$artifact"/serving/*)
url=http://127.0.0.1:8501/v1/models/$name

docker run --rm --detach --name deepstack-serving --publish 127.0.0.1:8501:8501 \
    --env TF_ENABLE_ONEDNN_OPTS=0 --env MODEL_NAME="$name" \
    --volume "$artifact/serving/$name:/models/$name:ro" tensorflow/serving
trap 'docker stop deepstack-serving > /dev/null' EXIT
until curl --silent --fail "$url" > /dev/null; do sleep 1; done

# The server knows its inputs' shapes, of one-bar and window models alike. One row; zeros stand in for yours: unscaled
# features in the order of <name>_features.csv, bars from the oldest; decision_s is the time, seconds since 2000-01-01.
request=$(curl --silent --fail "$url/metadata" | python3 -c '
import json, sys, time
filled = lambda shape, value: [filled(shape[1:], value) for _ in range(shape[0])] if shape else value
inputs = json.load(sys.stdin)["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
shapes = {name: [int(dim["size"]) for dim in spec["tensor_shape"]["dim"][1:]] for name, spec in inputs.items()}
now = int(time.time()) - 946684800
row = {name: filled(shape, now if name == "decision_s" else 0.0) for name, shape in shapes.items()}
print(json.dumps({"signature_name": "serving_default", "instances": [row]}))')
curl --silent --fail --data "$request" "$url:predict"
