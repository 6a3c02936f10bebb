"""Epistemic uncertainty: what dropout alone does to the answers of one network, and the same for the same seed."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.pipeline import uncertainty
from deepstack.pipeline.uncertainty import epistemic

ROWS, FEATURES, RATE = 40, 6, 0.3
X = {"features": np.random.default_rng(0).normal(3.0, 2.0, (ROWS, FEATURES)).astype(np.float32)}
MEAN, VARIANCE = np.linspace(-2.0, 5.0, FEATURES), np.linspace(0.5, 8.0, FEATURES)
WEIGHTS = np.linspace(-1.0, 1.0, FEATURES)[:, None]


def linear(rate: float = RATE) -> keras.Model:
    """Batch norm, dropout, a weighted sum; the stored statistics are far from those of X."""
    features = keras.Input((FEATURES,), name="features")
    norm, dense = keras.layers.BatchNormalization(epsilon=0.0), keras.layers.Dense(1, use_bias=False)
    model = keras.Model({"features": features}, dense(keras.layers.Dropout(rate)(norm(features))))
    norm.moving_mean.assign(MEAN)
    norm.moving_variance.assign(VARIANCE)
    dense.kernel.assign(WEIGHTS)
    return model


def ultimate(rate: float) -> keras.Model:
    """Dropout and batch norms inside a stack that repeats one block, every weight as training may leave it."""
    options = {"width": 8, "res_blocks_per_unit": [3], "dense_blocks_per_unit": [2], "growth": 4}
    options |= {"attention_scales": [1, 4], "dropout": rate, "input_dropout": rate}
    model = catalogue.build("ultimate", {"features": (FEATURES,)}, options=options)
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(random.uniform(0.3, 1.2, weight.shape))
    return model


@pytest.fixture(params=[None])
def artifact(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Stands for a run with seed 7 whose network is built anew whenever it is loaded."""
    made: list[keras.Model] = []
    build = request.param or linear

    def load_network(_: object) -> keras.Model:
        made.append(build())
        return made[-1]

    monkeypatch.setattr(uncertainty, "load_network", load_network)
    return SimpleNamespace(config=SimpleNamespace(seed=7), made=made)


def raw(outputs: np.ndarray) -> np.ndarray:
    return outputs.astype(np.float64)


def test_the_deviation_is_that_of_dropout_on_stored_statistics(artifact: Any) -> None:
    """Var Σ w z m / (1 − p) over masks m is Σ w² z² p / (1 − p), z normalised by what training has stored."""
    z = (X["features"] - MEAN) / np.sqrt(VARIANCE)
    wanted = np.sqrt((z**2) @ (WEIGHTS**2) * RATE / (1.0 - RATE))
    found = epistemic(artifact, X, raw, passes=600, batch_size=16)
    assert found.shape == (ROWS, 1)
    np.testing.assert_allclose(found / wanted, 1.0, atol=0.15)
    (network,) = artifact.made
    np.testing.assert_allclose(network.layers[1].moving_mean, MEAN)


@pytest.mark.parametrize("artifact", [lambda: ultimate(1e-6)], indirect=True, ids=["ultimate"])
def test_batch_statistics_are_held_inside_a_repeated_block_too(artifact: Any) -> None:
    answers: list[np.ndarray] = []

    def score(outputs: np.ndarray) -> np.ndarray:
        answers.append(outputs)
        return raw(outputs)

    epistemic(artifact, X, score, passes=2)
    network, untouched = artifact.made[0], ultimate(1e-6)
    for answer in answers:
        np.testing.assert_allclose(answer, untouched(X, training=False), rtol=1e-3)
    for one, two in zip(network.weights, untouched.weights, strict=True):
        if one.dtype == "float32":
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("artifact", [linear, lambda: ultimate(0.2)], indirect=True, ids=["linear", "ultimate"])
def test_the_seed_of_the_run_fixes_it(artifact: Any) -> None:
    found = [epistemic(artifact, X, raw, passes=3) for _ in range(2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] > 0.0).mean() > 0.5
    artifact.config.seed = 8
    assert not np.array_equal(epistemic(artifact, X, raw, passes=3), found[0])


@pytest.mark.parametrize(
    ("artifact", "passes", "words"),
    [
        (lambda: linear(0.0), 10, r"received 10 passes, dropout rates \[0\.0\]"),
        (lambda: ultimate(0.0), 10, r"received 10 passes, dropout rates"),
        (linear, 1, r"received 1 passes"),
    ],
    indirect=["artifact"],
    ids=["no dropout", "no dropout in a block", "one pass"],
)
def test_a_network_that_always_answers_alike_is_refused(artifact: Any, passes: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        epistemic(artifact, X, raw, passes=passes)
    assert "mc_passes" in str(refused.value)
    assert " — try model.options.dropout above 0" in str(refused.value)
    assert "\n" not in str(refused.value)
