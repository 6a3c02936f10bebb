"""Every architecture as a Keras Tuner HyperModel, for scripts of one's own."""

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.models.heads import head_of
from deepstack.models.inputs import BASE
from deepstack.tuning.keras_oracles import space_of
from deepstack.tuning.space import with_values


class HyperNetwork(keras_tuner.HyperModel):
    """The network of a config and its `tuning.space`, to be searched by any tuner of Keras Tuner.

    `build(hp)` returns a compiled model: the loss is the cross-entropy of its logits, the metric `accuracy`, the
    targets class numbers, `[samples]` for one output and `[samples, outputs]` for `horizons`; optimizer, learning rate
    and clipping are the config's. Other keys of the space do nothing here: those beside `model` and `training` belong
    to samples, which the script makes itself; losses, schedules and epochs are those of deepstack's own training.

    Args:
        config: experiment with a space.
        inputs: name → shape without the batch axis, as `deepstack.models.inputs.input_shapes` gives them; a bare shape
            is that of the only input.
    """

    def __init__(self, config: RunConfig, inputs: Mapping[str, tuple[int, ...]] | tuple[int, ...]) -> None:
        super().__init__(name=config.name)
        self.config = config
        self.inputs = dict(inputs) if isinstance(inputs, Mapping) else {BASE: tuple(inputs)}
        if not config.tuning.parameters:
            raise ConfigError("tuning.space", expected="keys to search", received="none", remedy="a config with some")

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Tell the tuner the whole space at once."""
        space_of(self.config.tuning.parameters, hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The network for what the tuner picked, compiled."""
        space_of(self.config.tuning.parameters, hp)
        known = {parameter.key for parameter in self.config.tuning.parameters}
        picked: dict[str, Any] = {key: value for key, value in hp.values.items() if key in known}
        config = with_values(self.config, picked)
        head = head_of(config.labels, config.model)
        model = catalogue.build(config.model.name, self.inputs, head, config.model.options)
        training = config.training
        optimizers: dict[str, type[keras.optimizers.Optimizer]] = {
            "adam": keras.optimizers.Adam,
            "adamw": keras.optimizers.AdamW,
            "lamb": keras.optimizers.Lamb,
            "lion": keras.optimizers.Lion,
            "sgd": keras.optimizers.SGD,
        }
        loss: keras.losses.Loss
        if head.classes == 2:
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
            metric: Any = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
        else:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        optimizer = optimizers[training.optimizer](training.learning_rate, global_clipnorm=training.clip_norm)
        model.compile(optimizer, loss, metrics=[metric])
        return model
