"""Only episodes that had ended before the decision are recalled, by likeness and importance, from a frozen bank."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.layers.episodic_recall import NEVER_S, EpisodicRecall
from deepstack.layers.recalled_mixture import RecalledMixture

EPISODES, UNITS, ANSWERS, TOP = 60, 4, 3, 8


def episodes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Keys, answers, ends and importance; episode k is decided at 10 k and ends 35 later."""
    random = np.random.default_rng(seed)
    keys, known = random.normal(size=(EPISODES, UNITS)), random.dirichlet(np.ones(ANSWERS), EPISODES)
    ends = 10 * np.arange(EPISODES) + 35
    return keys.astype("float32"), known.astype("float32"), ends.astype("int32"), random.uniform(0.25, 4.0, EPISODES)


@pytest.fixture
def layer() -> EpisodicRecall:
    made = EpisodicRecall(EPISODES, ANSWERS, TOP)
    made.build((None, UNITS), (None, 1))
    made.write(*episodes())
    return made


def ask(layer: EpisodicRecall, query: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(numbers, shares, answers)."""
    found = np.asarray(layer(tf.constant(query, tf.float32), tf.constant(at[:, None], tf.int32)))
    return found[..., 0].astype(int), found[..., 1], found[..., 2:]


def test_an_episode_recalls_neither_itself_nor_one_that_had_not_ended(layer: EpisodicRecall) -> None:
    keys, _, ends, _ = episodes()
    decided = 10 * np.arange(EPISODES)
    numbers, shares, _ = ask(layer, keys, decided)  # the most alike of all is the episode itself
    for k in range(EPISODES):
        recalled = numbers[k][numbers[k] >= 0]
        allowed = np.flatnonzero(ends < decided[k])
        assert set(recalled) <= set(allowed)
        assert len(recalled) == min(TOP, len(allowed))
        assert shares[k].sum() == pytest.approx(1.0 if len(allowed) else 0.0, abs=1e-5)
    itself, _, _ = ask(layer, keys, ends)
    assert not (itself == np.arange(EPISODES)[:, None]).any()  # ended at the decision is not before it
    itself, _, _ = ask(layer, keys, ends + 1)
    assert (itself == np.arange(EPISODES)[:, None]).any(axis=1).mean() > 0.9


def test_formula(layer: EpisodicRecall) -> None:
    keys, known, ends, importance = episodes()
    query, at = np.random.default_rng(5).normal(size=(20, UNITS)), np.arange(20) * 30 + 100
    numbers, shares, answers = ask(layer, query, at)
    cosine = query @ keys.T / np.linalg.norm(query, axis=1)[:, None] / np.linalg.norm(keys, axis=1)
    scores = np.where(ends < at[:, None], 5.0 * cosine + np.log(importance), -np.inf)
    for k in range(20):
        best = np.argsort(-scores[k])[:TOP]
        best = best[np.isfinite(scores[k][best])]
        assert numbers[k].tolist() == [*best, *[-1] * (TOP - len(best))]
        raised = np.exp(scores[k][best])
        np.testing.assert_allclose(shares[k, : len(best)], raised / raised.sum(), atol=1e-5)
        np.testing.assert_allclose(answers[k, : len(best)], known[best])
    mixed = RecalledMixture()(layer(query, at[:, None].astype("int32")))
    np.testing.assert_allclose(mixed, np.einsum("bt,bta->ba", shares, answers), atol=1e-6)


def test_importance_weighs_alike_episodes_in_proportion(layer: EpisodicRecall) -> None:
    same = np.ones((2, UNITS), "float32")
    layer.write(same, np.eye(2, ANSWERS, dtype="float32"), np.array([1, 2], "int32"), np.array([1.0, 3.0], "float32"))
    numbers, shares, _ = ask(layer, same[:1], np.array([9]))
    assert numbers[0].tolist() == [1, 0, *[-1] * (TOP - 2)]
    np.testing.assert_allclose(shares[0], [0.75, 0.25, *[0.0] * (TOP - 2)], atol=1e-6)


def test_writing_replaces_the_whole_bank(layer: EpisodicRecall) -> None:
    keys, known, ends, importance = episodes(seed=1)
    layer.write(keys[:5], known[:5], ends[:5], importance[:5])
    assert (np.asarray(layer.end_s)[5:] == NEVER_S).all()
    numbers, _, _ = ask(layer, keys[:1], np.array([NEVER_S - 1]))
    assert sorted(numbers[0])[-5:] == [0, 1, 2, 3, 4]
    assert (numbers[0] == -1).sum() == TOP - 5
    twice = [np.concatenate([part, part]) for part in episodes(seed=1)]
    layer.write(*twice)  # more than there are places for
    np.testing.assert_allclose(np.linalg.norm(layer.keys, axis=1), 1.0, rtol=1e-5)


def test_an_empty_bank_recalls_nothing() -> None:
    layer = EpisodicRecall(EPISODES, ANSWERS, TOP)
    found = np.asarray(layer(np.ones((2, UNITS), "float32"), np.array([[0], [NEVER_S - 1]], "int32")))
    np.testing.assert_array_equal(found[..., 0], -1.0)
    np.testing.assert_array_equal(found[..., 1:], 0.0)


def test_neither_inference_nor_training_moves_the_bank(layer: EpisodicRecall) -> None:
    query, when = keras.Input((UNITS,)), keras.Input((1,), dtype="int32")
    key = keras.layers.Dense(UNITS)(query)
    model = keras.Model([query, when], RecalledMixture()(layer(key, when)))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    x = [np.random.default_rng(0).normal(size=(16, UNITS)).astype("float32"), np.full((16, 1), 500, "int32")]
    bank = [layer.keys, layer.known, layer.end_s, layer.importance]
    before, weights = [part.numpy() for part in bank], [v.numpy() for v in model.trainable_variables]
    model.predict(x, verbose=0)
    model.train_on_batch(x, np.zeros((16, ANSWERS), "float32"))
    for part, value in zip(bank, before, strict=True):
        np.testing.assert_array_equal(part, value)
    assert layer.trainable_variables == [layer.sharpness]
    for variable, value in zip(model.trainable_variables[:1], weights[:1], strict=True):
        assert np.abs(variable.numpy() - value).max() > 0.0  # the query learns what is worth recalling
    assert np.abs(layer.sharpness.numpy() - 5.0) > 0.0


def test_mixed_precision_recalls_the_same(layer: EpisodicRecall) -> None:
    half = EpisodicRecall(EPISODES, ANSWERS, TOP, dtype="mixed_float16")
    half.build((None, UNITS), (None, 1))
    half.write(*episodes())
    query, at = np.round(np.random.default_rng(5).normal(size=(20, UNITS)), 2), np.arange(20) * 30 + 700_000_001
    for full, less in zip(ask(layer, query, at), ask(half, query, at), strict=True):
        np.testing.assert_allclose(full, less, atol=0.01)
