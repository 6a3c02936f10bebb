"""What a training run knows besides its tensors: where it is, how it has gone, and when it should end."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from deepstack.config.training import TrainingConfig

HistoryRow = dict[str, float]
"""One epoch: epoch (from 1), loss, val_loss, val_auc, lr, seconds, samples_per_s."""


@dataclass
class RunState:
    """Host-side state of a run; every field is part of a checkpoint.

    Attributes:
        step: optimizer steps taken since the beginning of training: the position in the shuffled data follows from it.
        loss_sum, weight_sum: Σ weight · loss and Σ weight of the running epoch.
        seconds: time spent in the steps of the running epoch.
        best_loss: lowest validation loss so far.
        best_epoch: its epoch, from 1.
        epochs_without_gain: epochs since then.
        plateau_cuts: how often the learning rate was cut on a plateau.
        stopped: training ended before its last epoch.
        history: one row an epoch.
    """

    step: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    epochs_without_gain: int = 0
    plateau_cuts: int = 0
    stopped: bool = False
    history: list[HistoryRow] = field(default_factory=list)

    def add_step(self, loss_sum: float, weight_sum: float, seconds: float) -> None:
        """Count one step, its sums and its time."""
        self.step += 1
        self.seconds += seconds
        self.loss_sum += loss_sum
        self.weight_sum += weight_sum

    @property
    def trained_s(self) -> float:
        """Time spent in steps since the beginning of training."""
        return sum(row["seconds"] for row in self.history) + self.seconds

    @property
    def loss(self) -> float:
        """Weighted mean of the loss over the running epoch so far, without the model's own losses."""
        return self.loss_sum / self.weight_sum if self.weight_sum else 0.0

    def close_epoch(self, row: HistoryRow, config: TrainingConfig) -> bool:
        """Record an epoch, and let its validation loss decide on early stopping and on a plateau's cut.

        Returns:
            Whether this epoch's validation loss is the best so far.
        """
        self.history.append(row)
        self.loss_sum = self.weight_sum = self.seconds = 0.0
        if row["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch, self.epochs_without_gain = row["val_loss"], int(row["epoch"]), 0
            return True
        self.epochs_without_gain += 1
        self.stopped = self.epochs_without_gain >= config.early_stopping_epochs
        if config.schedule.kind == "plateau" and self.epochs_without_gain % config.schedule.patience_epochs == 0:
            self.plateau_cuts += 1
        return False

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values; Python writes and reads floats exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunState":
        """The state `to_json` wrote."""
        return cls(**values)
