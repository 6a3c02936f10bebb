"""Run in its own process, since logical devices are set once: a stack on two replicas, facts as JSON on stdout."""

import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.remat_scan import RematScan
from deepstack.layers.residual_dense import ResidualDense


@keras.saving.register_keras_serializable(package="deepstack-tests")
class MaskBlock(keras.layers.Layer):
    """Adds its dropout mask to the input."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dropout = CounterDropout(0.5)
        self.built = True

    def call(self, x, training=False):
        return x + self.dropout(keras.ops.ones_like(x), training=training)


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(32, 8)).astype("float32"), rng.normal(size=(32, 8)).astype("float32")
facts = {}


def build(momentum: float = 0.9, dropout: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(2)
    inputs = keras.Input((8,))
    stack = RematScan(ResidualDense(8, dropout=dropout, momentum=momentum), 4, checkpoint="everything")
    return keras.Model(inputs, keras.layers.Dense(8, name="head")(stack(inputs)))


def per_replica(value) -> list:
    return [np.asarray(v).tolist() for v in strategy.experimental_local_results(value)]


# fit (TensorFlow cannot compile a whole replicated step: its variables lie on several devices)
with strategy.scope():
    model = build(dropout=0.2)
    model.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=False)
history = model.fit(x, y, epochs=8, batch_size=16, verbose=0).history["loss"]
facts["fit"] = [history[0], history[-1]]
facts["generators_moved"] = sorted(
    {int(calls) for v in model.layers[1]._state_stacks if "seed" in v.name for calls in v.numpy()[:, 1]}
)

# A custom loop with strategy.run: gradients summed over replicas equal those of the two halves taken alone
with strategy.scope():
    model = build()
    scan = model.layers[1]
    for variable in scan._weight_stacks:
        variable.assign(variable.numpy() + 0.1 * np.random.default_rng(7).normal(size=variable.shape))


def gradients(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
    return tape.gradient(loss, [v.value for v in model.trainable_variables])


halves = [gradients(x[:16], y[:16]), gradients(x[16:], y[16:])]
with strategy.scope():
    for variable in scan._state_stacks:
        variable.assign(np.ones(variable.shape) if "variance" in variable.name else np.zeros(variable.shape))


@tf.function
def step(x, y):
    def replica(x, y):
        return tf.distribute.get_replica_context().all_reduce("SUM", gradients(x, y))

    return strategy.run(replica, args=(x, y))


def split(array):
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(array[16 * context.replica_id_in_sync_group :][:16])
    )


summed = step(split(x), split(y))
facts["gradient_error"] = max(
    float(np.abs(np.asarray(strategy.experimental_local_results(s)[0]) - (a + b)).max())
    for s, a, b in zip(summed, *halves, strict=True)
)
means = [0.1 * (part @ scan._weight_stacks[0].numpy()[0]).mean(0) for part in (x[:16], x[16:])]
mean = next(v for v in scan._state_stacks if "moving_mean" in v.name).numpy()[0]
facts["statistics_error"] = float(np.abs(mean - (means[0] + means[1]) / 2).max())

# Masks
with strategy.scope():
    noise = RematScan(MaskBlock(), 1)
    noise.build((None, 64))


@tf.function
def draw():
    return strategy.run(lambda: noise(tf.zeros((32, 64)), training=True))


first, second = per_replica(draw()), per_replica(draw())
facts["masks_differ_between_replicas"] = float(np.mean(np.array(first[0]) != np.array(first[1])))
facts["masks_differ_between_calls"] = float(np.mean(np.array(first) != np.array(second)))
facts["generators_agree"] = len({str(v) for v in per_replica(noise._state_stacks[0].value)}) == 1
print(json.dumps(facts))
