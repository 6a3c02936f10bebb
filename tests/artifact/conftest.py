"""Small trained-looking networks, and SavedModels run by TensorFlow's C library."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FEATURES = 24
ROWS = 64
PROGRAM = Path(__file__).with_name("run_saved_model.py")


def scramble(model: Any, seed: int = 0) -> Any:
    """Give every weight a value training could have left: no scale zero, no statistic at its start."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name
        if not weight.dtype.startswith("float"):
            continue
        if "gamma" in name or "variance" in name:
            value = rng.uniform(0.4, 1.2, shape)
        elif "kernel" in name:
            value = rng.normal(scale=1.2 / np.sqrt(shape[-2]), size=shape)
        else:
            value = rng.normal(scale=0.3, size=shape)
        weight.assign(value.astype(np.float32))
    return model


def ultimate() -> Any:
    from deepstack.models import catalogue

    options = {
        "width": 16,
        "res_blocks_per_unit": [3, 2],
        "dense_blocks_per_unit": [2, 1],
        "growth": 4,
        "attention_scales": [1, 4],
        "input_dropout": 0.1,
    }
    return catalogue.build("ultimate", {"features": (FEATURES,)}, options=options)


def sequential() -> Any:
    from deepstack.models import catalogue

    return catalogue.build("sequential", {"features": (FEATURES,)}, options={"layers": 12, "width": 16})


def no_rule() -> Any:
    """A stack of a block that folding has no rule for, beside a plain batch norm and dropout."""
    import keras

    from deepstack.layers.counter_dropout import CounterDropout
    from deepstack.layers.remat_scan import RematScan

    shape = (16,)
    x = inner = keras.Input(shape)
    x = keras.layers.Dense(16, activation="gelu")(keras.layers.LayerNormalization()(x))
    x = CounterDropout(0.3)(keras.layers.BatchNormalization()(x))
    block = keras.Model(inner, keras.layers.Add()([inner, x]))

    features = keras.Input((FEATURES,), name="features")
    y = keras.layers.BatchNormalization()(keras.layers.Dense(16)(features))
    y = RematScan(block, 3)(keras.layers.Dropout(0.2)(y))
    return keras.Model({"features": features}, keras.layers.Dense(1, name="logit")(y))


NETWORKS = {"ultimate": ultimate, "sequential": sequential, "no_rule": no_rule}


@pytest.fixture(scope="session")
def networks() -> Mapping[str, Any]:
    """Name → network with weights a training could have left."""
    return {name: scramble(build(), seed) for seed, (name, build) in enumerate(NETWORKS.items())}


@pytest.fixture(scope="session")
def features() -> np.ndarray:
    """Unscaled: each column on a scale of its own, with values beyond any clipping bound."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.uniform(-3, 3, FEATURES)
    return (rng.standard_t(2, (ROWS, FEATURES)) * scale + 3.0 * scale).astype(np.float32)


@pytest.fixture(scope="session")
def scaler(features: np.ndarray) -> Any:
    from deepstack.config.features import FeaturesConfig
    from deepstack.features.scale import fit_scaler

    return fit_scaler(features, FeaturesConfig(clip_quantile=0.05))


def signature_names(saved_model: Path, signature: str) -> dict[str, dict[str, str]]:
    """Names of a signature's tensors in the graph: `feeds` by input, `fetches` by output."""
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    found = proto.meta_graphs[0].signature_def[signature]
    sides = {"feeds": found.inputs, "fetches": found.outputs}
    return {side: {name: tensor.name for name, tensor in named.items()} for side, named in sides.items()}


RunByC = Callable[[Mapping[Path, Mapping[str, Mapping[str, np.ndarray]]]], list[dict[str, dict[str, np.ndarray]]]]
"""SavedModel → signature → inputs, to signature → outputs of each SavedModel."""


@pytest.fixture
def run_by_c_library(tmp_path: Path) -> RunByC:
    """Runs SavedModels in one process without Python's TensorFlow."""

    def run(
        wanted: Mapping[Path, Mapping[str, Mapping[str, np.ndarray]]],
    ) -> list[dict[str, dict[str, np.ndarray]]]:
        jobs = []
        for number, (saved_model, asked) in enumerate(wanted.items()):
            calls = []
            for signature, inputs in asked.items():
                place = tmp_path / f"{number}_{signature}"
                np.savez(f"{place}_in.npz", **inputs)
                files = {"inputs": f"{place}_in.npz", "result": f"{place}_out.npz"}
                calls.append(signature_names(saved_model, signature) | files)
            jobs.append({"saved_model": str(saved_model), "calls": calls})
        command = [sys.executable, "-I", str(PROGRAM), json.dumps(jobs)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results = [[dict(np.load(call["result"])) for call in job["calls"]] for job in jobs]
        return [dict(zip(asked, found, strict=True)) for asked, found in zip(wanted.values(), results, strict=True)]

    return run
