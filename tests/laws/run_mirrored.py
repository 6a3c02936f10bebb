"""One model after another: a training step on two devices that share the batch; a JSON line for each."""

import json
from functools import partial

import numpy as np
import tensorflow as tf

devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)

from small_models import WITH_DROPOUT, build, inputs_of, targets_of  # noqa: E402 - the devices must be set up first

from deepstack.artifact.model import raw_outputs  # noqa: E402
from deepstack.config.training import TrainingConfig  # noqa: E402
from deepstack.models.heads import binary_head  # noqa: E402
from deepstack.training.losses import make_loss  # noqa: E402
from deepstack.training.prepare import prepare  # noqa: E402
from deepstack.training.strategy import make_strategy  # noqa: E402

ROWS = 32
ANSWERING = ("ultimate", "episodic_memory")
"""Models that are also asked for their answers inside the scope, as filling a memory does between epochs."""

strategy = make_strategy("mirrored")
config = TrainingConfig(batch_size=2 * ROWS, optimizer="sgd", learning_rate=0.05, jit_compile=False)
for name in WITH_DROPOUT:
    with strategy.scope():
        loss = make_loss(binary_head(), config)
        ready = prepare(partial(build, name, WITH_DROPOUT), config, loss, strategy, "float32", 2 * ROWS, 0, None, False)

        def batch(context: tf.distribute.experimental.ValueContext, name: str = name) -> tuple:
            inputs = inputs_of(name, ROWS, seed=context.replica_id_in_sync_group)
            y = targets_of(inputs)
            x = {key: tf.constant(values[None]) for key, values in inputs.items()}
            return x, tf.constant(y[None]), tf.ones((1, *y.shape[:2]))

        values = strategy.experimental_distribute_values_from_function(batch)
        objectives = [float(ready.train_step(values).numpy()[2]) for _ in range(3)]
        inputs = inputs_of(name, ROWS + 3)
        whole = name not in ANSWERING or np.allclose(
            raw_outputs(ready.model, inputs, batch_size=16), ready.model(inputs, training=False), atol=1e-5
        )
    copies = strategy.experimental_local_results(ready.model.trainable_variables[0].value)
    equal = whole and all(bool(tf.reduce_all(copy == copies[0])) for copy in copies)
    print(json.dumps({"name": name, "replicas": len(copies), "objectives": objectives, "equal": equal}), flush=True)
