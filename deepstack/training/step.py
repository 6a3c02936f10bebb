"""One training step for every strategy: gradient, all-reduce, clip, update.

Without a strategy the whole step is one XLA program. Under a strategy XLA compiles loss and gradient of each replica,
and the all-reduce and the update run around them, because collectives cannot stand inside a compiled function. Both
call the model as a pure function of its variables (`stateless_call`): what it writes, batch-norm statistics and the
state of random generators, comes back as values and is assigned once.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from deepstack.training.losses import SampleLoss
from deepstack.training.optimizers import loss_scale

Tensors = list[tf.Tensor]
Batch = tuple[Any, tf.Tensor, tf.Tensor]


def make_train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: SampleLoss,
    strategy: tf.distribute.Strategy,
    *,
    clip_norm: float | None,
    jit_compile: bool,
) -> Callable[[Batch], tf.Tensor]:
    """A function that takes one optimizer step.

    The step minimises `Σ weight · loss / samples` over all batches and replicas of the step, plus the model's own
    losses (L2, `add_loss`), averaged over them. The gradient is summed over replicas, then clipped by its global norm,
    then applied. Floating-point state (batch-norm statistics) is averaged over replicas with the gradient, so that all
    replicas stay equal; integer state (random generators) advances equally on each.

    Args:
        model: built under the strategy's scope, as is `optimizer`.
        loss: one value a sample.
        clip_norm: global norm the gradient is scaled down to, or None.
        jit_compile: compile with XLA.

    Returns:
        (x, y, weight), each [accumulate_steps, samples, …], → float32 [3]: the sum of weight · loss, the sum of
        weights, and the objective, over all replicas.
    """
    replicas = strategy.num_replicas_in_sync
    gradients_of_step = accumulated_gradients(model, loss, replicas)
    if jit_compile and replicas > 1:
        gradients_of_step = tf.function(gradients_of_step, jit_compile=True, autograph=False)

    def replica_step(batch: Batch) -> tf.Tensor:
        weights, state = _values(model.trainable_variables), _values(model.non_trainable_variables)
        gradients, state, totals = gradients_of_step(weights, state, batch, loss_scale(optimizer))
        if replicas > 1:
            gradients, state, totals = _reduced(gradients, state, totals, replicas)
        if clip_norm is not None:
            # A scaled loss has a scaled gradient; its norm is judged on the same scale.
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm * loss_scale(optimizer))
        optimizer.apply(gradients, model.trainable_variables)
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return totals

    def step(batch: Batch) -> tf.Tensor:
        totals = strategy.run(tf.autograph.experimental.do_not_convert(replica_step), args=(batch,))
        return strategy.experimental_local_results(totals)[0]

    return tf.function(step, jit_compile=jit_compile and replicas == 1, autograph=False)


def make_predict_step(
    model: keras.Model, strategy: tf.distribute.Strategy, *, jit_compile: bool
) -> Callable[[Batch], tf.Tensor]:
    """A function from a batch [samples, …] to the model's float32 outputs, over all replicas and in sample order."""
    replicas = strategy.num_replicas_in_sync

    def outputs(weights: Tensors, state: Tensors, x: Any) -> tf.Tensor:
        return tf.cast(model.stateless_call(weights, state, x, training=False)[0], tf.float32)

    outputs = tf.function(outputs, jit_compile=jit_compile, autograph=False)

    def replica_step(batch: Batch) -> tf.Tensor:
        return outputs(_values(model.trainable_variables), _values(model.non_trainable_variables), batch[0])

    def step(batch: Batch) -> tf.Tensor:
        result = strategy.run(tf.autograph.experimental.do_not_convert(replica_step), args=(batch,))
        return result if replicas == 1 else strategy.gather(result, axis=0)

    return tf.function(step, autograph=False)


def accumulated_gradients(model: keras.Model, loss: SampleLoss, replicas: int) -> Callable[..., tuple]:
    """Pure function of one replica: gradient of its share of the objective, over all batches of a step.

    Returns:
        (weights, state, batch, scale) → (gradients of scale · objective, new state, totals [3] without the scale).
    """

    def of_batch(weights: Tensors, state: Tensors, batch: Batch, scale: tf.Tensor, parts: int) -> tuple:
        x, y, weight = batch
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            outputs, state, penalties = model.stateless_call(weights, state, x, training=True, return_losses=True)
            weighted_loss = tf.reduce_sum(weight * loss(y, outputs))
            penalty = tf.add_n([tf.cast(value, tf.float32) for value in penalties]) if penalties else 0.0
            objective = (weighted_loss / y.shape[0] + penalty) / parts
            scaled = objective * scale
        gradients = tape.gradient(scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        return gradients, list(state), tf.stack([weighted_loss, tf.reduce_sum(weight), objective])

    def of_step(weights: Tensors, state: Tensors, batch: Batch, scale: tf.Tensor) -> tuple:
        batches = batch[1].shape[0]
        parts = replicas * batches
        if batches == 1:
            return of_batch(weights, state, tf.nest.map_structure(lambda part: part[0], batch), scale, parts)

        def add(index: tf.Tensor, gradients: Tensors, state: Tensors, totals: tf.Tensor) -> tuple:
            chosen = tf.nest.map_structure(lambda part: part[index], batch)
            new, state, new_totals = of_batch(weights, state, chosen, scale, parts)
            return index + 1, [a + b for a, b in zip(gradients, new, strict=True)], state, totals + new_totals

        start = (tf.constant(0), [tf.zeros_like(weight) for weight in weights], state, tf.zeros(3))
        _, gradients, state, totals = tf.while_loop(
            lambda index, *_: index < batches, add, start, maximum_iterations=batches
        )
        return gradients, state, totals

    return of_step


def _reduced(
    gradients: Tensors, state: Tensors, totals: tf.Tensor, replicas: int
) -> tuple[Tensors, Tensors, tf.Tensor]:
    """Sums of gradients and totals and means of floating-point state over replicas, in one all-reduce."""
    shared = [index for index, value in enumerate(state) if value.dtype.is_floating]
    means = [state[index] / replicas for index in shared]
    context = tf.distribute.get_replica_context()
    reduced = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, *means, totals])
    state = list(state)
    for index, mean in zip(shared, reduced[len(gradients) : -1], strict=True):
        state[index] = mean
    return reduced[: len(gradients)], state, reduced[-1]


def _values(variables: list[keras.Variable]) -> Tensors:
    return [tf.convert_to_tensor(variable.value) for variable in variables]
