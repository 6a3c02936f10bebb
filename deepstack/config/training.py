"""How the model is trained."""

from typing import Literal

from pydantic import Field

from deepstack.config._room import Room


class ScheduleConfig(Room):
    """The learning rate over time."""

    kind: Literal["constant", "cosine", "cosine_restarts", "plateau", "step"] = "cosine"
    warmup_share: float = Field(0.05, ge=0.0, lt=1.0, description="share of all steps spent warming up linearly from 0")
    final_share: float = Field(0.01, ge=0.0, le=1.0, description="final learning rate as a share of the peak")
    period_epochs: int = Field(10, ge=1, description="cosine_restarts: first period; step: epochs between steps")
    factor: float = Field(0.5, gt=0.0, lt=1.0, description="step and plateau: multiply the learning rate by this")
    patience_epochs: int = Field(3, ge=1, description="plateau: epochs without a better validation loss before a cut")


class TrainingConfig(Room):
    """One loop for every strategy."""

    strategy: Literal["auto", "none", "mirrored", "multi_worker"] = "auto"
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = "auto"
    jit_compile: bool = Field(True, description="compile the training step with XLA")
    optimizer: Literal["adam", "adamw", "lamb", "lion", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0.0)
    weight_decay: float = Field(1e-4, ge=0.0, description="decoupled weight decay (adamw, lamb, lion)")
    schedule: ScheduleConfig = ScheduleConfig()
    clip_norm: float | None = Field(1.0, gt=0.0, description="global norm the gradient is clipped to, after the all-reduce")
    label_smoothing: float = Field(0.0, ge=0.0, lt=0.5)
    balance_classes: bool = Field(True, description="weigh both classes equally in the loss and correct the probabilities back")
    batch_size: int | Literal["auto"] = Field(256, description="samples a step; auto: the largest power of two that fits memory_gb")
    memory_gb: float = Field(4.0, gt=0.0, description="memory that batch_size auto may use")
    accumulate_steps: int = Field(1, ge=1, description="batches whose gradients are averaged before a step")
    epochs: int = Field(10, ge=1)
    early_stopping_epochs: int = Field(4, ge=1, description="epochs without a better validation loss before training ends")
    checkpoint_every_steps: int = Field(200, ge=1)
    tensorboard: bool = False
