#!/usr/bin/env bash
# Ask a server of models over REST with curl: examples/ask_over_rest.sh 127.0.0.1:8501 NAME [FEATURES]
# TensorFlow Serving or `deepstack serve` alike. Zeros stand in for one row of FEATURES unscaled features of yours.
set -euo pipefail

url=http://${1:?usage: examples/ask_over_rest.sh HOST:PORT NAME FEATURES}/v1/models/${2:?NAME}
row=$(printf '0.0,%.0s' $(seq "${3:?FEATURES}"))

curl --silent --fail "$url"; echo
curl --silent --fail --data "{\"instances\": [[${row%,}]]}" "$url:predict"; echo
