"""How samples are divided in time."""

from typing import Self

from pydantic import Field, model_validator

from deepstack.config._room import Room


class SplitConfig(Room):
    """One calendar cut for all symbols; the test share is what train and validation leave."""

    train: float = Field(0.6, gt=0.0, lt=1.0, description="share of bars for training")
    validation: float = Field(0.15, gt=0.0, lt=1.0, description="share of bars for early stopping and the threshold")
    embargo_bars: int = Field(
        24, ge=0, le=1_000_000, description="bars left empty before each cut, beyond the purge by label interval"
    )

    @model_validator(mode="after")
    def _leave_a_test_slice(self) -> Self:
        if self.train + self.validation >= 1.0:
            raise ValueError(f"train + validation below 1, received {self.train + self.validation:g}")
        return self
