"""Each question weighs the steps by a distribution of its own."""

import numpy as np
import pytest

from deepstack.layers.query_pooling import QueryPooling

TIME, WIDTH, QUERIES, HEADS = 7, 6, 3, 2


@pytest.fixture
def layer() -> QueryPooling:
    made = QueryPooling(QUERIES, HEADS)
    made.build((None, TIME, WIDTH))
    random = np.random.default_rng(1)
    for variable in made.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return made


def steps() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, TIME, WIDTH)).astype("float32")


def test_formula(layer: QueryPooling) -> None:
    x, size = steps(), WIDTH // HEADS
    expected = np.zeros((4, QUERIES, WIDTH))
    for q in range(QUERIES):
        for h in range(HEADS):
            key, value = (
                x @ part.kernel.numpy()[:, q, h] + part.bias.numpy()[q, h] for part in (layer.key, layer.value)
            )
            score = np.exp(key @ layer.question.numpy()[q, h] / np.sqrt(size))
            weight = score / score.sum(axis=1, keepdims=True)
            expected[:, q, h * size : (h + 1) * size] = (weight[..., None] * value).sum(axis=1)
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


def test_weights_sum_to_one(layer: QueryPooling) -> None:
    """Whatever the keys say, values that are all alike come through unchanged."""
    layer.value.kernel.assign(np.zeros(layer.value.kernel.shape))
    expected = layer.value.bias.numpy().reshape(QUERIES, WIDTH)
    np.testing.assert_allclose(layer(steps()), np.broadcast_to(expected, (4, QUERIES, WIDTH)), rtol=1e-5)


def test_a_question_has_keys_and_values_of_its_own(layer: QueryPooling) -> None:
    before = np.asarray(layer(steps()))
    for part in (layer.question, layer.key.kernel, layer.value.kernel):
        changed = part.numpy()
        changed[(0,) if part is layer.question else (slice(None), 0)] += 1.0
        part.assign(changed)
    after = np.asarray(layer(steps()))
    assert np.abs(after[:, 0] - before[:, 0]).max() > 0.1
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])


def test_the_order_of_the_steps_does_not_matter(layer: QueryPooling) -> None:
    order = np.random.default_rng(2).permutation(TIME)
    np.testing.assert_allclose(layer(steps()), layer(steps()[:, order]), atol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width 7 must be a multiple of 2 heads"):
        QueryPooling(1, 2).build((None, TIME, 7))
