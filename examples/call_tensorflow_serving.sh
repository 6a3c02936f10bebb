#!/usr/bin/env bash
# Serve an artifact with TensorFlow Serving and ask it for one row: examples/call_tensorflow_serving.sh artifacts/<run>
# Needs docker, curl and python3. TF_ENABLE_ONEDNN_OPTS=0 makes single rows through deep networks several times faster.
set -euo pipefail

artifact=$(realpath "$1")
name=$(basename "$artifact"/serving/*)
count=$(($(wc -l < "$artifact/${name}_features.csv") - 1))

docker run --rm --detach --name deepstack-serving --publish 127.0.0.1:8501:8501 \
    --env TF_ENABLE_ONEDNN_OPTS=0 --env MODEL_NAME="$name" \
    --volume "$artifact/serving/$name:/models/$name:ro" tensorflow/serving
trap 'docker stop deepstack-serving > /dev/null' EXIT
until curl --silent --fail "http://127.0.0.1:8501/v1/models/$name" > /dev/null; do sleep 1; done

# One row of unscaled features, in the order of <name>_features.csv; zeros stand in for yours.
row=$(python3 -c "import json, sys; print(json.dumps([0.0] * int(sys.argv[1])))" "$count")
curl --silent --fail --data "{\"signature_name\": \"serving_default\", \"instances\": [{\"features\": $row}]}" \
    "http://127.0.0.1:8501/v1/models/$name:predict"
