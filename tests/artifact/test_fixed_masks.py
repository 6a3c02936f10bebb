"""Sixteen subnetworks, the same in every call: their mean and spread are those of a mixture of subnetworks."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.artifact.decision import Decision
from deepstack.artifact.export import export_saved_model
from deepstack.artifact.fixed_masks import FixedMasks, MasksDoNotFitError, can_fix
from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.drop_path import DropPath
from deepstack.layers.remat_scan import RematScan
from deepstack.models.heads import binary_head

WEIGHTS = np.array([[2.0], [-1.0]], np.float32)


def network(*layers: keras.layers.Layer, shape: tuple[int, ...] = (2,)) -> keras.Model:
    features = x = keras.Input(shape, name="features")
    for layer in layers:
        x = layer(x)
    return keras.Model({"features": features}, binary_head().outputs(x))


def ask(folder: Path, x: np.ndarray, signature: str = "predict_uncertainty") -> tuple[np.ndarray, ...]:
    loaded = tf.saved_model.load(str(folder))
    found = loaded.signatures[signature](features=tf.constant(x))
    return found["probability"].numpy(), found["epistemic"].numpy()


def exported(folder: Path, model: keras.Model, seed: int = 0) -> Path:
    examples = {"features": np.zeros((1, *model.inputs[0].shape[1:]), np.float32)}
    export_saved_model(folder, model, Decision({}, binary_head(), None, (0.5,)), examples, "n", seed=seed)
    return folder


@pytest.mark.parametrize("dropout", [keras.layers.Dropout(0.5), CounterDropout(0.5)], ids=lambda x: type(x).__name__)
def test_mean_and_deviation_are_those_of_sixteen_of_the_four_subnetworks(tmp_path: Path, dropout: Any) -> None:
    model = network(dropout)
    model.set_weights([*model.get_weights()[:-2], WEIGHTS, np.array([0.3], np.float32)][-len(model.get_weights()) :])
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    probability, epistemic = ask(exported(tmp_path / "1", model), x)
    masks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * 2.0
    each = (
        1 / (1 + np.exp(-((x[:, None] * masks) @ WEIGHTS.astype(np.float64) + 0.3)))[..., 0]
    )  # [samples, subnetworks]
    counts = np.linalg.lstsq(each, probability * 16, rcond=None)[0]
    np.testing.assert_allclose(counts, counts.round(), atol=0.01)
    assert counts.round().sum() == 16
    assert (counts.round() > 0).sum() >= 3
    shares = counts.round() / 16
    wanted = np.sqrt(each**2 @ shares - (each @ shares) ** 2)
    np.testing.assert_allclose(epistemic, wanted, atol=1e-4)
    np.testing.assert_array_equal(ask(tmp_path / "1", x)[1], epistemic)


def test_the_seed_chooses_the_subnetworks(tmp_path: Path) -> None:
    model = network(CounterDropout(0.5), shape=(20,))
    x = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
    found = [ask(exported(tmp_path / str(i), model, seed), x)[1] for i, seed in enumerate((3, 3, 4))]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_a_missing_value_is_not_known(tmp_path: Path) -> None:
    x = np.array([[1.0, np.nan], [1.0, 2.0]], np.float32)
    probability, epistemic = ask(exported(tmp_path, network(CounterDropout(0.5))), x)
    np.testing.assert_array_equal(np.isnan(probability), [True, False])
    np.testing.assert_array_equal(np.isnan(epistemic), [True, False])


def test_masks_keep_the_mean_and_drop_the_share_they_should() -> None:
    masks = FixedMasks(seed=1, limit_bytes=10**6)
    with masks.on():
        x = masks(CounterDropout(0.2), tf.ones((16 * 3, 50, 40))).numpy().reshape(16, 3, 50, 40)
        whole = masks(DropPath(0.2), tf.ones((16 * 3, 50, 40))).numpy().reshape(16, 3, 50, 40)
    np.testing.assert_allclose(np.unique(x), [0.0, 1.25])
    assert abs(x.mean() - 1.0) < 0.01
    assert (x == x[:, :1]).all()  # a subnetwork's samples share its masks
    assert len({mask.tobytes() for mask in x[:, 0]}) == 16
    assert {len(np.unique(each)) for each in whole} == {1}  # all of a branch or nothing
    assert masks(CounterDropout(0.2), tf.ones((16, 4))).numpy().min() == 1.0  # switched off


def test_masks_that_outgrow_their_room_are_refused() -> None:
    masks = FixedMasks(seed=1, limit_bytes=100)
    with masks.on(), pytest.raises(MasksDoNotFitError, match="more room"):
        masks(CounterDropout(0.2), tf.ones((16, 51)))


def test_a_servable_without_room_for_masks_says_so_and_does_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = network(CounterDropout(0.5), keras.layers.GlobalAveragePooling1D(), shape=(1000, 1000))
    exported(tmp_path, model)
    assert "predict_uncertainty" in caplog.text
    assert "predict_uncertainty" not in tf.saved_model.load(str(tmp_path)).signatures


def block(rate: float) -> keras.Model:
    x = keras.Input((2,))
    return keras.Model(x, CounterDropout(rate)(keras.layers.LayerNormalization()(x)))


@pytest.mark.parametrize(
    ("layers", "fixed"),
    [
        ([], False),
        ([keras.layers.Dropout(0.0)], False),
        ([CounterDropout(0.0)], False),
        ([keras.layers.Dropout(0.1)], True),
        ([keras.layers.GaussianNoise(0.1), keras.layers.Dropout(0.1)], False),
        ([keras.layers.Reshape((2, 1)), keras.layers.LSTM(2, dropout=0.1)], False),
        ([keras.layers.Reshape((2, 1)), keras.layers.LSTM(2), keras.layers.Dropout(0.1)], True),
        ([keras.layers.Reshape((2, 1)), keras.layers.SpatialDropout1D(0.1), keras.layers.Flatten()], False),
        ([RematScan(block(0.1), 3)], True),
        ([RematScan(block(0.1), 33)], False),
        ([RematScan(block(0.0), 33), keras.layers.Dropout(0.1)], True),
    ],
)
def test_dropout_is_fixed_wherever_folding_reaches_all_of_it(layers: list[keras.layers.Layer], fixed: bool) -> None:
    assert can_fix(network(*layers)) is fixed
