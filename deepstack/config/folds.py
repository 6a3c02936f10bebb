"""How often, and on which stretches of time, a study trains and tests."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deepstack.config._room import Room


class FoldsConfig(Room):
    """Walk-forward or combinatorial purged folds."""

    scheme: Literal["expanding", "rolling", "combinatorial"] = Field(
        "expanding",
        description="expanding and rolling walk forward, training on all or on as much of the past as the first fold "
        "had; combinatorial tests on every choice of `test_groups` of `groups`",
    )
    count: int = Field(3, ge=1, le=100, description="walk-forward folds")
    first_share: float = Field(
        0.4, gt=0.0, lt=1.0, description="share of bars before the first walk-forward fold's test"
    )
    groups: int = Field(6, ge=3, le=20, description="stretches of the calendar, each with as many bars")
    test_groups: int = Field(2, ge=1, le=10, description="of them tested at a time")
    validation_share: float = Field(
        0.2, gt=0.0, lt=1.0, description="share of a fold's past for early stopping, thresholds and calibration"
    )

    @model_validator(mode="after")
    def _leave_groups_to_learn_from(self) -> Self:
        if self.scheme == "combinatorial" and self.test_groups > self.groups - 2:
            raise ValueError(
                f"test_groups at most groups - 2, one to train and one to validate on, received {self.test_groups} "
                f"of {self.groups}"
            )
        return self
