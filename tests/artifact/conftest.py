"""Small trained-looking networks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

FEATURES = 24
ROWS = 64


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
