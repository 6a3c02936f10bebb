"""One model after another: a training step on two devices that share the batch. argv[1]: JSON name → options."""

import json
import sys
from functools import partial

import tensorflow as tf

devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)

from deepstack.config.training import TrainingConfig  # noqa: E402 - the devices must be set up first
from deepstack.models import catalogue  # noqa: E402
from deepstack.training.losses import binary_cross_entropy  # noqa: E402
from deepstack.training.prepare import prepare  # noqa: E402
from deepstack.training.strategy import make_strategy  # noqa: E402

FEATURES, ROWS = 12, 32

strategy = make_strategy("mirrored")
config = TrainingConfig(batch_size=2 * ROWS, optimizer="sgd", learning_rate=0.05, jit_compile=False)
for name, options in json.loads(sys.argv[1]).items():
    with strategy.scope():
        build = partial(catalogue.build, name, {"features": (FEATURES,)}, "binary", options)
        ready = prepare(build, config, binary_cross_entropy(), strategy, "float32", 2 * ROWS, 0, None)

        def batch(context: tf.distribute.experimental.ValueContext) -> tuple:
            seed = (context.replica_id_in_sync_group, 1)
            x = tf.random.stateless_normal((1, ROWS, FEATURES), seed)
            y = tf.cast(x[:, :, 0] > 0, tf.float32)
            return {"features": x}, y, tf.ones_like(y)

        values = strategy.experimental_distribute_values_from_function(batch)
        objectives = [float(ready.train_step(values).numpy()[2]) for _ in range(3)]
    copies = strategy.experimental_local_results(ready.model.trainable_variables[0].value)
    equal = all(bool(tf.reduce_all(copy == copies[0])) for copy in copies)
    print(json.dumps({"name": name, "replicas": len(copies), "objectives": objectives, "equal": equal}), flush=True)
