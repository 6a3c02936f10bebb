"""A mixture is the weighted sum of its chosen experts, and balance is where its loss is least."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.mixture_of_experts import MixtureOfExperts

WIDTH, HIDDEN = 6, 10


def steps(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(*shape, WIDTH)).astype("float32")


def built(experts: int, top: int, balance: float = 1.0) -> MixtureOfExperts:
    layer = MixtureOfExperts(experts, HIDDEN, top, balance)
    layer.build((None, WIDTH))
    return layer


def balance_loss(layer: MixtureOfExperts, x: np.ndarray) -> float:
    layer(x, training=True)
    (loss,) = layer.losses
    return float(loss)


@pytest.mark.filterwarnings("ignore:You are using a softmax")
def test_one_expert_is_a_dense_network() -> None:
    layer, x = built(1, 1), steps(4, 5)
    units = ((HIDDEN, keras.activations.gelu), (WIDTH, None))
    dense = keras.Sequential([keras.layers.Dense(n, activation, use_bias=False) for n, activation in units])
    dense.build((None, 5, WIDTH))
    dense.set_weights([layer.inner.numpy()[0], layer.outer.numpy()[0]])
    np.testing.assert_allclose(layer(x), dense(x), atol=1e-5)
    assert balance_loss(layer, x) == pytest.approx(1.0)


@pytest.mark.parametrize("top", [1, 2, 4])
def test_formula(top: int) -> None:
    layer, x = built(4, top), steps(7)
    logits = x @ layer.router.kernel.numpy()
    gates = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = np.zeros_like(x)
    for row, (step, gate) in enumerate(zip(x, gates, strict=True)):
        for e in (chosen := np.argsort(-gate)[:top]):
            said = np.asarray(keras.activations.gelu(step @ layer.inner.numpy()[e])) @ layer.outer.numpy()[e]
            expected[row] += gate[e] / gate[chosen].sum() * said
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_a_step_does_not_depend_on_its_batch() -> None:
    layer, x = built(4, 2), steps(3, 5)
    np.testing.assert_allclose(layer(x)[1, 2], layer(x[1:2, 2:3])[0, 0], atol=1e-6)


@pytest.mark.parametrize("counts", [[3, 3, 3], [4, 3, 2], [9, 0, 0]])
def test_balance_is_where_the_loss_is_least(counts: list[int]) -> None:
    """A router that is sure of its choices: experts · Σ share², 1 when uniform, all the experts when collapsed."""
    layer = built(3, 1)
    layer.router.kernel.assign(50.0 * np.eye(WIDTH, 3))
    x = np.eye(WIDTH, dtype="float32")[np.repeat(np.arange(3), counts)]
    assert balance_loss(layer, x) == pytest.approx(3.0 * np.sum(np.square(np.array(counts) / 9)), rel=1e-4)


def test_its_gradient_leads_from_collapse_to_balance() -> None:
    layer, x = built(3, 1), steps(300) + 1.0
    kernel = np.zeros((WIDTH, 3))
    kernel[:, 0] = 1.0
    layer.router.kernel.assign(kernel)
    before = balance_loss(layer, x)

    @tf.function
    def descend() -> None:
        with tf.GradientTape() as tape:
            layer(x, training=True)
            loss = layer.losses[0]
        layer.router.kernel.assign_sub(0.3 * tape.gradient(loss, layer.router.kernel.value))

    for _ in range(200):
        descend()
    assert before > 2.0
    assert balance_loss(layer, x) == pytest.approx(1.0, abs=0.05)


def test_the_loss_has_its_weight_and_is_for_training_alone() -> None:
    whole, tenth, x = built(3, 1), built(3, 1, balance=0.1), steps(50)
    tenth.set_weights(whole.get_weights())
    assert balance_loss(tenth, x) == pytest.approx(0.1 * balance_loss(whole, x))
    whole(x)
    assert whole.losses == []


def test_each_expert_starts_as_if_it_stood_alone() -> None:
    layer = MixtureOfExperts(16, 200)
    layer.build((None, 100))
    np.testing.assert_allclose(layer.inner.numpy().var(axis=(1, 2)), 0.774 * 2 / 100, rtol=0.1)  # cut at two deviations
    np.testing.assert_allclose(layer.outer.numpy().var(axis=(1, 2)), 0.774 * 2 / 200, rtol=0.1)


def test_more_choices_than_experts_are_refused() -> None:
    with pytest.raises(ValueError, match="between 1 and 2 experts, received 3"):
        MixtureOfExperts(2, HIDDEN, top=3)
