"""One step is what the formula says: weights, penalties, accumulation, clipping and state."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepstack.config.training import TrainingConfig
from deepstack.models.heads import Head, binary_head
from deepstack.training.losses import make_loss
from deepstack.training.optimizers import make_optimizer
from deepstack.training.resume import model_values
from deepstack.training.schedules import Level, WarmUp
from deepstack.training.step import accumulated_gradients, make_predict_step, make_train_step

BINARY, MOVES = binary_head(), Head("horizons", ("5min", "15min"), 3)


class Penalised(keras.layers.Layer):
    """Adds a loss of its own."""

    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return x


def make_model(state=False, head=BINARY):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    x = keras.layers.Dense(7, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.01))(inputs)
    x = Penalised()(x)
    if state:
        x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, head.outputs(x))


def make_batch(batches=1, size=12, head=BINARY):
    rng = np.random.default_rng(0)
    x, leading = rng.normal(size=(batches, size, 5)), (batches, size, len(head.names))
    codes = rng.integers(0, head.classes, leading)
    y = np.concatenate([np.eye(head.classes)[codes], np.zeros((*leading, 2))], axis=-1)
    return tuple(tf.constant(part, tf.float32) for part in (x, y, rng.uniform(0, 2, leading)))


def make_step(model, clip_norm=None, jit_compile=True, rate=0.1):
    schedule = WarmUp(Level(rate), 0)
    optimizer = make_optimizer(TrainingConfig(optimizer="sgd"), schedule, "float32")
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    return make_train_step(
        model, optimizer, make_loss(BINARY, TrainingConfig()), strategy, clip_norm=clip_norm, jit_compile=jit_compile
    )


def values(variables):
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def gradients_of(model, batch, head):
    parts = accumulated_gradients(model, make_loss(head, TrainingConfig()), 1)
    return parts(values(model.trainable_variables), values(model.non_trainable_variables), batch, tf.constant(1.0))


@pytest.mark.parametrize("head", [BINARY, MOVES], ids=lambda head: head.kind)
def test_the_gradient_is_that_of_weighted_loss_over_samples_plus_the_models_own_losses(head):
    model, (x, y, weight) = make_model(head=head), make_batch(head=head)
    with tf.GradientTape() as tape:
        logits = model(x[0], training=True)
        if head is BINARY:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(y[0, :, :, 1], logits)
        else:
            losses = tf.nn.softmax_cross_entropy_with_logits(y[0, :, :, :3], logits)
        losses *= weight[0]
        expected_objective = tf.reduce_sum(losses) / 12 + tf.add_n(model.losses)
    expected = tape.gradient(expected_objective, [variable.value for variable in model.trainable_variables])
    assert len(model.losses) == 2
    gradients, _, totals = gradients_of(model, (x, y, weight), head)
    for one, other in zip(expected, gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(totals, [tf.reduce_sum(losses), tf.reduce_sum(weight), expected_objective], rtol=1e-6)


def test_accumulated_batches_equal_one_big_batch():
    x, y, weight = make_batch(batches=4)
    one, two = make_model(), make_model()
    make_step(one)((x, y, weight))
    make_step(two)(tuple(tf.reshape(part, [1, 48, *part.shape[2:]]) for part in (x, y, weight)))
    # The activation penalty is a mean over a batch, so it averages to the same value too.
    for a, b in zip(model_values(one), model_values(two), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_clipped_gradient_has_the_asked_norm():
    model = make_model()
    before = model_values(model)
    make_step(model, clip_norm=1e-3)(make_batch())
    # Nesterov momentum 0.9 makes the first update (1 + 0.9) · rate · gradient.
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, model_values(model), strict=True)))
    assert moved == pytest.approx(1.9 * 0.1 * 1e-3, rel=1e-3)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_statistics_and_random_state_move_once_a_batch(jit_compile):
    model = make_model(state=True)
    seed = next(v for v in model.non_trainable_variables if "seed" in v.path)
    mean = next(v for v in model.non_trainable_variables if "moving_mean" in v.path)
    make_step(model, jit_compile=jit_compile)(make_batch(batches=3))
    assert seed.numpy()[1] == 3
    assert np.abs(mean.numpy()).max() > 0


def test_steps_lower_the_loss_of_a_fixed_batch_and_prediction_leaves_no_trace():
    model = make_model(state=True)
    step, batch = make_step(model), make_batch()
    first, *_, last = (float(step(batch)[2]) for _ in range(30))
    assert last < first
    before = model_values(model)
    predict = make_predict_step(model, tf.distribute.get_strategy(), jit_compile=True)
    outputs = predict(tuple(part[0] for part in batch))
    np.testing.assert_allclose(outputs, model.predict(batch[0][0], verbose=0), atol=1e-6)
    for a, b in zip(before, model_values(model), strict=True):
        np.testing.assert_array_equal(a, b)
