"""The whole training, from an unbuilt model to the weights of its best epoch, on one page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deepstack.config.training import TrainingConfig
from deepstack.layers.default_seeds import own_seeds
from deepstack.progress import Progress, no_progress
from deepstack.samples.augment import Augment
from deepstack.samples.batches import Samples, training_batches, validation_batches
from deepstack.training.callbacks import make_callbacks
from deepstack.training.checkpoint import save_checkpoint
from deepstack.training.epoch import Clock, check_finite, history_row, train_epoch
from deepstack.training.history import write_history
from deepstack.training.objective import Objective
from deepstack.training.precision import dtype_policy, resolve_precision
from deepstack.training.prepare import prepare
from deepstack.training.resume import assign, begin, model_values, model_variables, run_identity, snapshot
from deepstack.training.schedules import set_plateau
from deepstack.training.state import HistoryRow
from deepstack.training.strategy import (
    check_agreement,
    distributed,
    is_chief,
    lost_worker_reported,
    make_strategy,
    require_one_clock,
)
from deepstack.training.validation import VALIDATION_SHARE, validate
from deepstack.training.warm import Slot

BeforeEpoch = Callable[[keras.Model, int], None]


@dataclass(frozen=True, eq=False)
class FitResult:
    """What training leaves.

    Attributes:
        model: weights of the best epoch; free of any distribution strategy.
        history: one row an epoch, as in training.csv.
        steps: optimizer steps taken, over all resumed parts.
        epochs: epochs finished.
        batch_size: samples a batch, over all replicas.
        replicas: devices that shared each batch.
        precision: Keras dtype policy of the model.
        first_step_s: seconds from the call to the end of the first step: build, trace, compile and step.
        train_s: seconds of the whole call.
        samples_per_s: training samples a second in the steps after the first, without validation; 0 if there were none.
        stopped_early: validation loss, a callback or the time ended training before the last step.
        validation: probabilities on the validation slice where the model's own were learned there: out of fold.
        facts: what else the report says of the training.
    """

    model: keras.Model
    history: list[HistoryRow]
    steps: int
    epochs: int
    batch_size: int
    replicas: int
    precision: str
    first_step_s: float
    train_s: float
    samples_per_s: float
    stopped_early: bool
    validation: np.ndarray | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def fit(
    build: Callable[[], keras.Model],
    objective: Objective,
    train: Samples,
    validation: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    folder: Path,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: Progress = no_progress,
    augment: Augment | None = None,
    before_epoch: BeforeEpoch | None = None,
    bytes_per_sample: float | None = None,
    xla: bool = True,
    warm: Slot | None = None,
) -> FitResult:
    """Train a model.

    Args:
        build: makes the functional model; called under the run's seed, dtype policy and strategy.
        objective: what is minimised on the training slice, and followed on the validation slice.
        train: training slice.
        validation: slice that decides on early stopping and the best weights.
        config: how to train.
        seed: of weights, dropout and shuffle.
        folder: gets `training.csv`, `checkpoints/` and, if asked for, `tensorboard/`.
        resume: go on from the last checkpoint in `folder`, if there is one; the result is bit-equal to an unbroken
            run on the same machine and thread count (on GPUs only after
            `tf.config.experimental.enable_op_determinism()`; CPUs need no such switch).
        callbacks: Keras callbacks.
        progress: told every step, as stage `train`.
        augment: varies training batches; none by default.
        before_epoch: called with the model and the number of each epoch (from 0) before its first step, not again when
            a run resumes within it.
        bytes_per_sample: activation memory of a training step, for `batch_size: auto`.
        xla: what `jit_compile: auto` means for this model.
        warm: where compiled steps are kept for the next training of the same graph, whose model this one shares.

    Raises:
        DeepstackError: a loss that is not finite, a batch that does not fit the data, a checkpoint of another run,
            a lost worker, a full disk.
    """
    clock = Clock()
    precision, strategy = resolve_precision(config.precision), make_strategy(config.strategy)
    require_one_clock(strategy, config.minutes)
    chief, checkpoints = is_chief(strategy), folder / "checkpoints"
    with own_seeds(seed), lost_worker_reported(strategy), dtype_policy(precision), strategy.scope():
        run = prepare(build, config, objective.loss, strategy, precision, len(train), seed, bytes_per_sample, xla, warm)
        identity = run_identity(run, config, seed, train, validation)
        state, best = begin(checkpoints, run, config, identity, resume=resume, clear=chief)
        check_agreement(strategy, state.step)

        def save() -> None:
            if chief:
                save_checkpoint(checkpoints, snapshot(run, state, best, identity))

        feed = partial(training_batches, train, run.plan, state.step, run.last_step, augment=augment)
        batches = iter(distributed(strategy, feed))
        validation_size = max(run.plan.batch_size, VALIDATION_SHARE * strategy.num_replicas_in_sync)
        checks = distributed(strategy, partial(validation_batches, validation, validation_size))
        listeners = make_callbacks(
            run, state, config, callbacks, progress=progress, tensorboard=folder / "tensorboard" if chief else None
        )
        listeners.on_train_begin()
        while state.step < run.last_step and not state.stopped:
            epoch = state.step // run.plan.steps_per_epoch
            listeners.on_epoch_begin(epoch)
            if before_epoch is not None and state.step % run.plan.steps_per_epoch == 0:
                before_epoch(run.model, epoch)
            train_epoch(run, state, batches, listeners, clock, config, save)
            val_loss, val_auc = validate(run.predict_step, checks, validation, objective)
            check_finite(val_loss, f"validation after epoch {epoch + 1}")
            row = history_row(run, state, val_loss, val_auc)
            if state.close_epoch(row, config):
                best = model_values(run.model)
            set_plateau(run.schedule, config.schedule, state.plateau_cuts)
            listeners.on_epoch_end(epoch, row)
            state.stopped = state.stopped or run.model.stop_training
            save()
            if chief:
                write_history(folder / "training.csv", state.history)
        listeners.on_train_end()
    model = run.model
    if strategy.num_replicas_in_sync > 1:
        with dtype_policy(precision):
            model = build()
    assign(model_variables(model), best)
    return FitResult(
        model=model,
        history=state.history,
        steps=state.step,
        epochs=len(state.history),
        batch_size=run.plan.batch_size,
        replicas=strategy.num_replicas_in_sync,
        precision=precision,
        first_step_s=clock.first_step_s,
        train_s=clock.elapsed_s,
        samples_per_s=clock.later_steps * run.plan.samples_per_step / clock.later_s if clock.later_steps else 0.0,
        stopped_early=state.step < run.last_step,
    )
