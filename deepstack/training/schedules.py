"""The learning rate at every step: Keras' schedules, each behind one linear warm-up."""

import keras
import tensorflow as tf
from keras.optimizers import schedules

from deepstack.config.training import ScheduleConfig, TrainingConfig


@keras.saving.register_keras_serializable("deepstack")
class WarmUp(schedules.LearningRateSchedule):
    """Rise linearly to another schedule's first value, then follow that schedule from its start.

    Step s < steps of the warm-up has (s + 1) / (steps + 1) of the peak, so that no step is spent at a rate of zero.
    `keras.optimizers.schedules.CosineDecay` has a warm-up of its own, the other schedules have none.
    """

    def __init__(self, after: schedules.LearningRateSchedule, steps: int) -> None:
        self.after, self.steps = after, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        share = tf.minimum((step + 1.0) / (self.steps + 1.0), 1.0)
        return share * self.after(tf.maximum(step - self.steps, 0.0))

    def get_config(self) -> dict:
        return {"after": keras.saving.serialize_keras_object(self.after), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict) -> "WarmUp":
        return cls(keras.saving.deserialize_keras_object(config["after"]), config["steps"])


@keras.saving.register_keras_serializable("deepstack")
class Level(schedules.LearningRateSchedule):
    """A rate that stays where it was last put: constant training, and plateau training between its cuts."""

    def __init__(self, peak: float) -> None:
        self.peak = peak
        self.value = keras.Variable(peak, trainable=False, aggregation="only_first_replica", name="learning_rate_level")

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return tf.convert_to_tensor(self.value.value)

    def cut(self, share: float) -> None:
        """Put the rate at `share` of the peak."""
        self.value.assign(self.peak * share)

    def get_config(self) -> dict:
        return {"peak": self.peak}


def learning_rate_schedule(config: TrainingConfig, steps_per_epoch: int) -> WarmUp:
    """The schedule of `training.schedule`, a function of the optimizer's step count.

    Args:
        config: peak rate, epochs and schedule.
        steps_per_epoch: optimizer steps an epoch.

    Returns:
        cosine: half a period from the peak to `final_share` over the steps after the warm-up (Loshchilov and
            Hutter, 2017).
        cosine_restarts: the same over `period_epochs`, each later period `period_factor` times as long.
        step: × `factor` every `period_epochs`, counted from the end of the warm-up.
        constant: the peak.
        plateau: the peak until `set_plateau` cuts it.
    """
    shape, peak = config.schedule, config.learning_rate
    total_steps = config.epochs * steps_per_epoch
    warmup_steps = int(shape.warmup_share * total_steps)
    period_steps = shape.period_epochs * steps_per_epoch
    after: schedules.LearningRateSchedule
    match shape.kind:
        case "cosine":
            after = schedules.CosineDecay(peak, max(total_steps - warmup_steps, 1), alpha=shape.final_share)
        case "cosine_restarts":
            after = schedules.CosineDecayRestarts(peak, period_steps, shape.period_factor, alpha=shape.final_share)
        case "step":
            after = schedules.ExponentialDecay(peak, period_steps, shape.factor, staircase=True)
        case "constant" | "plateau":
            after = Level(peak)
    return WarmUp(after, warmup_steps)


def set_plateau(schedule: WarmUp, config: ScheduleConfig, cuts: int) -> None:
    """Put a plateau schedule where `cuts` cuts leave it, never below `final_share`; other schedules ignore it."""
    if config.kind == "plateau":
        schedule.after.cut(max(config.factor**cuts, config.final_share))
