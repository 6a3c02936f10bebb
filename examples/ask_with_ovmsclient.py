"""Ask a server of models with OpenVINO's client (pip install ovmsclient): the protocol is shared.

python examples/ask_with_ovmsclient.py localhost:8500 NAME
"""

import sys

import numpy as np
from ovmsclient import make_grpc_client


def main(address: str, name: str) -> None:
    client = make_grpc_client(address)
    print("status", client.get_model_status(name))
    inputs = client.get_model_metadata(name)["inputs"]
    # Zeros stand in for yours: unscaled features in the order of <name>_features.csv, bars from the oldest.
    kinds = {"DT_FLOAT": np.float32, "DT_INT32": np.int32}
    row = {key: np.zeros([1, *info["shape"][1:]], kinds[info["dtype"]]) for key, info in inputs.items()}
    print(client.predict(row, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
