"""Folding a batch norm and unrolling a stack changes how a network is computed, not what."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf

from deepstack.artifact.fold import fold, loops
from deepstack.artifact.folded import folded_call
from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.dense_growth import DenseGrowth
from deepstack.layers.encoder_block import EncoderBlock
from deepstack.layers.episodic_recall import EpisodicRecall
from deepstack.layers.plain_dense import PlainDense
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense
from deepstack.layers.self_attention import SelfAttention
from deepstack.layers.transformer_block import TransformerBlock

X = np.random.default_rng(0).normal(size=(32, 24)).astype(np.float32)


@pytest.mark.parametrize("network", ["ultimate", "sequential", "no_rule"])
def test_a_folded_network_is_the_network_at_inference(networks: Mapping[str, Any], network: str) -> None:
    model = networks[network]
    folded = folded_call(model, tf.constant)
    wanted = model({"features": X}, training=False)
    np.testing.assert_allclose(folded({"features": tf.constant(X)}), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        ResidualDense(24, dropout=0.5, name="block"),
        PlainDense(8, dropout=0.5, name="block"),
        DenseGrowth(4, dropout=0.5, name="block"),
        keras.layers.BatchNormalization(epsilon=0.1, name="norm"),
        keras.layers.BatchNormalization(scale=False, name="norm"),
        keras.layers.BatchNormalization(center=False, name="norm"),
        keras.layers.BatchNormalization(center=False, scale=False, name="norm"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_folded_layer_is_the_layer_at_inference(layer: keras.Layer) -> None:
    layer.build((None, 24))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        low, high = (0.3, 2.0) if "gamma" in weight.name or "variance" in weight.name else (-1.0, 1.0)
        weight.assign(rng.uniform(low, high, weight.shape))
    np.testing.assert_allclose(fold(layer, tf.constant)(tf.constant(X)), layer(X, training=False), atol=2e-5)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LayerNormalization(name="norm"),
        keras.layers.LayerNormalization(scale=False, name="norm"),
        keras.layers.LayerNormalization(center=False, name="norm"),
        SelfAttention(2),
        SelfAttention(4, causal=True, rotary=False),
        SelfAttention(4, causal=True, spans=(3, 0)),
        TransformerBlock(2, 12, dropout=0.3, drop_path=0.2),
        TransformerBlock(2, 12, causal=True, experts=3),
        EncoderBlock(2, 12, dropout=0.3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_folded_layer_over_time_is_the_layer_at_inference(layer: keras.Layer) -> None:
    x = np.random.default_rng(3).normal(size=(5, 7, 8)).astype(np.float32)
    layer(x)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(rng.uniform(0.3, 1.5, weight.shape) - 0.8 * ("gamma" not in weight.name))
    flag = {"training": False} if layer._call_has_training_arg else {}
    np.testing.assert_allclose(fold(layer, tf.constant)(tf.constant(x)), layer(x, **flag), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("experts", [0, 3])
def test_a_stack_of_attention_is_unrolled_with_each_block_its_own_weights(experts: int) -> None:
    stack = RematScan(TransformerBlock(2, 12, experts=experts), depth=4)
    x = np.random.default_rng(3).normal(size=(5, 7, 8)).astype(np.float32)
    stack(x)
    rng = np.random.default_rng(1)
    for weight in stack.trainable_weights:
        weight.assign(weight + 0.2 * rng.normal(size=weight.shape))
    wanted = stack(x, training=False)
    np.testing.assert_allclose(fold(stack, tf.constant)(tf.constant(x)), wanted, atol=5e-5, rtol=5e-5)


@pytest.mark.parametrize(("experts", "looped"), [(0, False), (2, True)])
def test_a_deep_stack_of_attention_has_no_loop_unless_it_has_experts(experts: int, looped: bool) -> None:
    stack = RematScan(TransformerBlock(2, 4, experts=experts), depth=33)
    x = np.random.default_rng(3).normal(size=(2, 3, 4)).astype(np.float32)
    stack(x)
    folded = tf.function(fold(stack, tf.constant)).get_concrete_function(tf.TensorSpec([None, 3, 4]))
    assert any(op.type in ("While", "StatelessWhile") for op in folded.graph.get_operations()) == looped
    assert loops(stack) == looped
    np.testing.assert_allclose(folded(tf.constant(x)), stack(x, training=False), atol=5e-5, rtol=5e-5)


def test_a_folded_bank_recalls_the_same_episodes() -> None:
    rng = np.random.default_rng(5)
    layer = EpisodicRecall(20, 3, top=4)
    query, decision = rng.normal(size=(9, 6)).astype(np.float32), rng.integers(0, 120, (9, 1)).astype(np.int32)
    decision[0] = 0  # knows no past
    layer(query, decision)
    end_s = rng.integers(1, 100, 15).astype(np.int32)
    layer.write(rng.normal(size=(15, 6)), rng.normal(size=(15, 3)), end_s, rng.uniform(0.2, 3.0, 15))
    wanted = layer(query, decision)
    found = fold(layer, tf.constant)(tf.constant(query), tf.constant(decision))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (np.asarray(found)[0, :, 0] == -1.0).all()


def test_every_weight_of_a_large_network_goes_through_hold(networks: Mapping[str, Any]) -> None:
    held: list[np.ndarray] = []
    folded_call(networks["no_rule"], lambda weight: held.append(weight) or tf.constant(weight))
    # Three blocks of ten tensors each (layer norm 2, dense 2, batch norm 4, dropout state 1), and the outer batch norm.
    assert len(held) == 3 * 9 + 2


def refilled(layer: keras.Layer, shape: tuple[int, ...]) -> np.ndarray:
    """The layer built for [samples, *shape], its bias no longer zero, and samples for it."""
    layer.build((None, *shape))
    rng = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(rng.uniform(-0.5, 0.5, weight.shape))
    return rng.normal(size=(5, *shape)).astype(np.float32)


def held_by(layer: keras.Layer, x: np.ndarray) -> int:
    """Weights that folding took out of the layer, after its result was compared with the layer's own."""
    held: list[np.ndarray] = []
    folded = fold(layer, lambda weight: held.append(weight) or tf.constant(weight))
    np.testing.assert_allclose(folded(tf.constant(x)), layer(x), atol=1e-6)
    return len(held)


@pytest.mark.parametrize("steps", [1, 7, 8])
@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3},
        {"kernel_size": 4, "use_bias": False},
        {"kernel_size": 3, "dilation_rate": 2, "activation": "relu"},
        {"kernel_size": 2, "dilation_rate": 3},
        {"kernel_size": 1, "activation": "gelu"},
    ],
    ids=str,
)
def test_a_convolution_over_time_is_one_product(steps: int, padding: str, options: dict[str, Any]) -> None:
    layer = keras.layers.Conv1D(6, padding=padding, **options)
    assert held_by(layer, refilled(layer, (steps, 3))) == 2


@pytest.mark.parametrize("options", [{"strides": 2, "padding": "same"}, {"padding": "valid"}, {"groups": 2}], ids=str)
def test_a_convolution_of_another_kind_runs_as_it_is(options: dict[str, Any]) -> None:
    layer = keras.layers.Conv1D(6, 3, **{"padding": "same"} | options)
    assert held_by(layer, refilled(layer, (8, 4))) == 0


@pytest.mark.parametrize("steps", [1, 7, 8, 9])
@pytest.mark.parametrize("options", [{"pool_size": 2}, {"pool_size": 3}, {"pool_size": 4, "strides": 4}], ids=str)
def test_pooling_over_time_is_a_maximum_of_neighbours(steps: int, options: dict[str, int]) -> None:
    layer = keras.layers.MaxPooling1D(padding="same", **options)
    assert not held_by(layer, refilled(layer, (steps, 3)) - 5.0)  # below zero, where a zero in the padding would win


@pytest.mark.parametrize("options", [{"padding": "valid"}, {"padding": "same", "strides": 1}], ids=str)
def test_pooling_of_another_kind_runs_as_it_is(options: dict[str, Any]) -> None:
    layer = keras.layers.MaxPooling1D(3, **options)
    assert not held_by(layer, refilled(layer, (8, 3)))


def halved(layer: keras.Layer, x: tf.Tensor) -> tf.Tensor:
    """Stands in for dropout."""
    return x * 0.5 if layer.rate else x


def test_dropout_is_asked_wherever_the_network_drops(
    networks: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = dict(networks) | {
        name: small_models.build(name, small_models.WITH_DROPOUT) for name in ("transformer", "residual_cnn1d")
    }
    random = np.random.default_rng(3)
    for name, model in every.items():
        x = {"features": X[:4]} if name in networks else small_models.inputs_of(name, 4)
        if name not in networks:  # whose branches begin at zero
            model.set_weights([w + 0.1 * random.random(w.shape).astype(w.dtype) for w in model.get_weights()])
        found = folded_call(model, tf.constant, halved)({key: tf.constant(values) for key, values in x.items()})
        plain = model(x, training=False).numpy()
        with monkeypatch.context() as patch:
            for kind in (keras.layers.Dropout, CounterDropout):
                patch.setattr(kind, "call", lambda layer, x, training=False: halved(layer, x))
            traces = [layer._traces.block for layer in model.layers if isinstance(layer, RematScan)]
            for trace in traces:
                trace.clear()  # they remember the call as it was
            wanted = model(x, training=False).numpy()
            for trace in traces:
                trace.clear()
        assert np.abs(wanted - plain).max() > 1e-3, name
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(model(x, training=False), plain, atol=1e-6, err_msg=name)
