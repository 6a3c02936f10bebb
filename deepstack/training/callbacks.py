"""Keras callbacks of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from deepstack.config.training import TrainingConfig
from deepstack.progress import Progress
from deepstack.training.prepare import Prepared
from deepstack.training.state import RunState


class TellProgress(keras.callbacks.Callback):
    """Passes every step on to a `Progress`."""

    def __init__(self, progress: Progress, run: Prepared, state: RunState) -> None:
        super().__init__()
        self.progress, self.run, self.state = progress, run, state

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        epoch = (self.state.step - 1) // self.run.plan.steps_per_epoch + 1
        self.progress("train", self.state.step, self.run.last_step, f"epoch {epoch}, loss {self.state.loss:.4f}")


def make_callbacks(
    run: Prepared,
    state: RunState,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    progress: Progress,
    tensorboard: Path | None,
) -> keras.callbacks.CallbackList:
    """The user's callbacks, progress, and TensorBoard if asked for, in Keras' own list.

    They see the running `loss` after each batch, and after each epoch `val_loss`, `val_auc`, `lr`, `seconds` and
    `samples_per_s` too; `model.stop_training = True` ends training after the epoch. The learning rate is the
    schedule's, and what a callback remembers by itself is not part of a checkpoint.

    Args:
        tensorboard: folder for its files; None for a worker that writes nothing.
    """
    chosen = [*callbacks, TellProgress(progress, run, state)]
    if config.tensorboard and tensorboard is not None:
        chosen.append(keras.callbacks.TensorBoard(str(tensorboard), write_graph=False))
    run.model.stop_training = False
    return keras.callbacks.CallbackList(
        chosen, model=run.model, epochs=config.epochs, steps=run.plan.steps_per_epoch, verbose=0
    )
