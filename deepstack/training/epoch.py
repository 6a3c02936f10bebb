"""One epoch of steps, its clock and its row in the history."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import keras

from deepstack.config.training import TrainingConfig
from deepstack.errors import DeepstackError
from deepstack.training.prepare import Prepared
from deepstack.training.state import HistoryRow, RunState
from deepstack.training.step import Batch


class DivergedError(DeepstackError):
    """Training left the finite numbers."""


@dataclass
class Clock:
    """Seconds of one call of `fit`: compilation falls into the first step, so the others are counted apart."""

    started: float = field(default_factory=time.perf_counter)
    first_step_s: float = 0.0
    later_steps: int = 0
    later_s: float = 0.0

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self.started

    def count_step(self, seconds: float) -> None:
        """Count a step that has just ended."""
        if not self.first_step_s:
            self.first_step_s = self.elapsed_s
        else:
            self.later_steps, self.later_s = self.later_steps + 1, self.later_s + seconds


def train_epoch(
    run: Prepared,
    state: RunState,
    batches: Iterator[Batch],
    listeners: keras.callbacks.CallbackList,
    clock: Clock,
    config: TrainingConfig,
    save: Callable[[], None],
) -> None:
    """Take the steps that are left of the running epoch, saving on the way; its end is saved after validation.

    Where the time for training runs out in it, that is its end.

    Raises:
        DivergedError: the objective is NaN or infinite.
    """
    steps = run.plan.steps_per_epoch
    for step in range(state.step % steps, steps):
        started = time.perf_counter()
        listeners.on_train_batch_begin(step)
        loss_sum, weight_sum, objective = run.train_step(next(batches)).numpy().tolist()
        check_finite(objective, f"training step {state.step + 1}")
        seconds = time.perf_counter() - started
        state.add_step(loss_sum, weight_sum, seconds)
        clock.count_step(seconds)
        listeners.on_train_batch_end(step, {"loss": state.loss})
        if config.minutes is not None and state.trained_s >= 60.0 * config.minutes:
            state.stopped = True
            return
        if state.step % config.checkpoint_every_steps == 0 and step + 1 < steps:
            save()


def history_row(run: Prepared, state: RunState, val_loss: float, val_auc: float) -> HistoryRow:
    """The row of the epoch that has just been trained and validated; its speed includes compilation in epoch 1."""
    steps = state.step - len(state.history) * run.plan.steps_per_epoch
    return {
        "epoch": len(state.history) + 1,
        "loss": state.loss,
        "val_loss": val_loss,
        "val_auc": val_auc,
        "lr": run.learning_rate,
        "seconds": state.seconds,
        "samples_per_s": steps * run.plan.samples_per_step / state.seconds,
    }


def check_finite(value: float, where: str) -> None:
    """Stop at a loss that is no number, before it is saved.

    Raises:
        DivergedError: `value` is NaN or infinite.
    """
    if not math.isfinite(value):
        raise DivergedError(
            where,
            expected="a finite loss",
            received=str(value),
            remedy="a lower training.learning_rate, a smaller training.clip_norm or training.precision=float32",
        )
