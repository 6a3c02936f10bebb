"""How the model is trained."""

from typing import Annotated, Literal

from pydantic import Field

from deepstack.config._room import Room


class ScheduleConfig(Room):
    """The learning rate over time."""

    kind: Literal["constant", "cosine", "cosine_restarts", "plateau", "step"] = Field(
        "cosine", description="the curve after the warm-up"
    )
    warmup_share: float = Field(0.05, ge=0.0, lt=1.0, description="share of all steps spent warming up linearly from 0")
    final_share: float = Field(0.01, ge=0.0, le=1.0, description="final learning rate as a share of the peak")
    period_epochs: int = Field(
        10, ge=1, le=1_000_000, description="cosine_restarts: first period; step: epochs between steps"
    )
    period_factor: float = Field(
        2.0, ge=1.0, le=100.0, description="cosine_restarts: length of each period as a multiple of the last"
    )
    factor: float = Field(0.5, gt=0.0, lt=1.0, description="step and plateau: multiply the learning rate by this")
    patience_epochs: int = Field(
        3, ge=1, le=1_000_000, description="plateau: epochs without a better validation loss before a cut"
    )


class TrainingConfig(Room):
    """One loop for every strategy."""

    strategy: Literal["auto", "none", "mirrored", "multi_worker"] = Field(
        "auto", description="auto: multi_worker when TF_CONFIG is set, mirrored with several GPUs, none otherwise"
    )
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "auto", description="auto: mixed where the GPU computes in half precision, float32 otherwise"
    )
    jit_compile: bool | Literal["auto"] = Field(
        "auto", description="compile the training step with XLA; auto: where that was measured to be faster"
    )
    optimizer: Literal["adam", "adamw", "lamb", "lion", "sgd"] = Field(
        "adamw", description="what turns gradients into steps"
    )
    learning_rate: float = Field(1e-3, gt=0.0, le=1000.0, description="peak learning rate, reached after the warm-up")
    weight_decay: float = Field(1e-4, ge=0.0, le=100.0, description="decoupled weight decay (adamw, lamb, lion)")
    schedule: ScheduleConfig = ScheduleConfig()
    clip_norm: float | None = Field(
        1.0, gt=0.0, le=1e6, description="global norm the gradient is clipped to, after the all-reduce"
    )
    loss: Literal["cross_entropy", "focal", "trading"] = Field(
        "cross_entropy",
        description="focal: cross-entropy that looks away from easy samples, at the price of calibration; "
        "trading: the expected result after costs",
    )
    focal_gamma: float = Field(2.0, ge=0.0, le=100.0, description="focal: power of the wrong classes' probability")
    direction_penalty: float = Field(
        1.0, ge=0.0, le=1e6, description="trading: weight of the cross-entropy that keeps the direction right"
    )
    label_smoothing: float = Field(0.0, ge=0.0, lt=0.5, description="share of the label moved to all classes alike")
    balance_classes: bool = Field(
        True, description="weigh both classes equally in the loss and correct the probabilities back"
    )
    batch_size: Annotated[int, Field(ge=1, le=2**20)] | Literal["auto"] = Field(
        256, description="samples a step; auto: the largest power of two that fits memory_gb"
    )
    memory_gb: float = Field(4.0, gt=0.0, le=1e6, description="memory that batch_size auto may use")
    accumulate_steps: int = Field(
        1, ge=1, le=1_000_000, description="batches whose gradients are averaged before a step"
    )
    epochs: int = Field(10, ge=1, le=1_000_000, description="passes over the training samples, at most")
    minutes: float | None = Field(
        None,
        gt=0.0,
        le=1e6,
        description="of training steps, at most: the epoch under way then ends, is validated and is the last; "
        "such a run depends on the machine's speed",
    )
    pretrain_epochs: int = Field(
        2, ge=1, le=1_000_000, description="epochs of next-step learning before the head's, for a generative model"
    )
    early_stopping_epochs: int = Field(
        4, ge=1, le=1_000_000, description="epochs without a better validation loss before training ends"
    )
    checkpoint_every_steps: int = Field(
        200, ge=1, le=1_000_000_000, description="steps between the checkpoints that a killed run continues from"
    )
    tensorboard: bool = Field(False, description="write TensorBoard logs into the artifact")
