"""Every loss against its definition, for one output and for several."""

import numpy as np
import pytest
import tensorflow as tf

from deepstack.config.training import TrainingConfig
from deepstack.models.heads import Head, binary_head
from deepstack.training.losses import make_loss

BINARY = binary_head()
MOVES = Head("horizons", ("5min", "60min"), 3)
HEADS = pytest.mark.parametrize("head", [BINARY, MOVES], ids=lambda head: head.kind)


def samples(head, rows=40, mixed=False):
    """(y [rows, outputs, classes + 2], raw outputs as the head's layers give them)."""
    rng = np.random.default_rng(0)
    size = (rows, len(head.names))
    share = (
        rng.dirichlet(np.ones(head.classes), size)
        if mixed
        else np.eye(head.classes)[rng.integers(head.classes, size=size)]
    )
    worth = np.stack([rng.normal(size=size), rng.uniform(0.0, 0.2, size)], axis=-1)
    raw = 2.0 * rng.normal(size=(*size, head.logits + head.aleatoric))
    raw = raw if head.kind == "horizons" else raw[:, 0]
    return np.concatenate([share, worth], axis=-1).astype(np.float32), raw.astype(np.float32)


def probabilities(head, raw):
    """float64 [rows, outputs, classes], by the definition of sigmoid and softmax."""
    logits = raw.astype(np.float64).reshape(len(raw), len(head.names), -1)
    if head.classes == 2:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    raised = np.exp(logits)
    return raised / raised.sum(axis=-1, keepdims=True)


def loss_of(head, y, raw, **config):
    found = make_loss(head, TrainingConfig(**config))(tf.constant(y), tf.constant(raw))
    assert found.dtype == "float32"
    assert found.shape == (len(y), len(head.names))
    return found.numpy()


@HEADS
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_negative_log_likelihood_of_smoothed_labels(head, mixed, smoothing):
    y, raw = samples(head, mixed=mixed)
    smooth = y[..., :-2] * (1.0 - smoothing) + smoothing / head.classes
    expected = -(smooth * np.log(probabilities(head, raw))).sum(axis=-1)
    np.testing.assert_allclose(loss_of(head, y, raw, label_smoothing=smoothing), expected, rtol=1e-5)


@HEADS
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_focal_is_cross_entropy_times_a_power_of_the_wrong_classes_probability(head, gamma):
    y, raw = samples(head)
    true = (y[..., :-2] * probabilities(head, raw)).sum(axis=-1)
    expected = -((1.0 - true) ** gamma) * np.log(true)
    np.testing.assert_allclose(loss_of(head, y, raw, loss="focal", focal_gamma=gamma), expected, rtol=1e-4, atol=1e-6)


@HEADS
def test_trading_is_the_cost_and_loss_of_the_position_plus_the_penalty(head):
    y, raw = samples(head)
    p = probabilities(head, raw)
    position = p[..., -1] if head.classes == 2 else p[..., 2] - p[..., 0]
    result = position * y[..., -2] - np.abs(position) * y[..., -1]
    entropy = loss_of(head, y, raw)
    for penalty in (0.0, 0.7):
        found = loss_of(head, y, raw, loss="trading", direction_penalty=penalty)
        np.testing.assert_allclose(found, penalty * entropy - result, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("outcome", "cost", "towards"), [(1.0, 0.1, "buy"), (-1.0, 0.1, "sell"), (0.05, 0.1, "hold")])
def test_trading_pulls_towards_what_pays_after_costs(outcome, cost, towards):
    head = Head("classes", ("15min",), 3)
    y = tf.constant([[[0.0, 1.0, 0.0, outcome, cost]]])
    raw = tf.Variable([[0.1, 0.0, 0.2]])
    loss = make_loss(head, TrainingConfig(loss="trading", direction_penalty=0.0))
    for _ in range(60):
        with tf.GradientTape() as tape:
            value = loss(y, raw)
        raw.assign_sub(10.0 * tape.gradient(value, raw))
    p = dict(zip(("sell", "hold", "buy"), tf.nn.softmax(raw[0]).numpy(), strict=True))
    if towards == "hold":
        assert abs(p["buy"] - p["sell"]) < 0.05
    else:
        assert p[towards] > 0.9


@HEADS
@pytest.mark.parametrize("config", [{}, {"loss": "focal"}, {"loss": "trading"}], ids=str)
def test_a_predicted_variance_adds_the_likelihood_of_the_outcome(head, config):
    doubting = Head(head.kind, head.names, head.classes, aleatoric=True)
    y, raw = samples(doubting)
    raw = raw.reshape(len(raw), len(head.names), -1)
    log_variance = raw[..., -1].astype(np.float64)
    likelihood = 0.5 * (log_variance + y[..., -2] ** 2 / np.exp(log_variance))
    given = (raw, raw[..., :-1]) if head.kind == "horizons" else (raw[:, 0], raw[:, 0, :-1])
    expected = loss_of(head, y, given[1], **config) + likelihood
    np.testing.assert_allclose(loss_of(doubting, y, given[0], **config), expected, rtol=1e-4, atol=1e-5)


def test_the_variance_that_is_learned_is_that_of_the_outcomes():
    head, random = binary_head(aleatoric=True), np.random.default_rng(1)
    spread = np.repeat([0.5, 2.0], 2000)
    outcome = spread * random.standard_normal(4000)
    y = np.stack([outcome <= 0, outcome > 0, outcome, np.zeros(4000)], axis=1)[:, None].astype(np.float32)
    raw, loss = tf.Variable(np.zeros((2, 2), np.float32)), make_loss(head, TrainingConfig())
    for _ in range(200):
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(loss(tf.constant(y), tf.repeat(raw, 2000, axis=0)))
        raw.assign_sub(2.0 * tape.gradient(value, raw))
    found = np.asarray(head.split(raw.numpy())[1])[:, 0, 0]
    expected = [np.square(outcome[spread == s]).mean() for s in (0.5, 2.0)]
    np.testing.assert_allclose(found, expected, rtol=0.02)


@HEADS
def test_balancing_weights_do_not_reach_the_result_of_trading(head):
    """The weighted loss is that of the plain result at the corrected probabilities, whatever the weights."""
    y, raw = samples(head)
    rare = np.full((len(head.names), head.classes), 0.8 / (head.classes - 1))
    rare[:, -1] = 0.2
    weight = (y[..., :-2] / (head.classes * rare)).sum(axis=-1)
    loss = make_loss(head, TrainingConfig(loss="trading", direction_penalty=0.0), rare)
    logits = raw.astype(np.float64).reshape(len(raw), len(head.names), -1) + head.prior_offset(rare)
    p = probabilities(head, logits)
    position = p[..., -1] if head.classes == 2 else p[..., 2] - p[..., 0]
    result = position * y[..., -2] - np.abs(position) * y[..., -1]
    np.testing.assert_allclose(weight * loss(tf.constant(y), tf.constant(raw)).numpy(), -result, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("aleatoric", [False, True])
@HEADS
@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "trading"])
def test_extreme_logits_stay_finite_with_their_gradient(head, aleatoric, loss):
    head = Head(head.kind, head.names, head.classes, aleatoric)
    y, raw = samples(head)
    given = tf.constant(100.0 * raw)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = make_loss(head, TrainingConfig(loss=loss))(tf.constant(y), given)
    assert np.isfinite(value.numpy()).all()
    assert np.isfinite(tape.gradient(value, given).numpy()).all()


def test_a_confident_error_costs_its_logit():
    y = np.array([[[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]], np.float32)
    np.testing.assert_allclose(loss_of(BINARY, y, np.array([[200.0], [-200.0]], np.float32)), 200.0)
    certain = np.zeros((3, 2, 3), np.float32)
    certain[..., 2] = 200.0
    y = np.zeros((3, 2, 5), np.float32)
    y[np.arange(3), :, np.arange(3)] = 1.0
    np.testing.assert_allclose(loss_of(MOVES, y, certain), [[200.0] * 2, [200.0] * 2, [0.0] * 2])
