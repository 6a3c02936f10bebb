"""Which features are made and how they are scaled."""

from typing import Self

from pydantic import Field, model_validator

from deepstack.config._room import Room


class FeaturesConfig(Room):
    """Feature groups, selection and clipping; everything here is fitted on the training slice alone."""

    names: tuple[str, ...] = Field(
        (), description="exactly these features or candle channels, in this order; none of them is dropped"
    )
    groups: tuple[str, ...] = Field((), description="feature groups to use; none means every group the data allows")
    exclude: tuple[str, ...] = Field((), description="feature names to leave out")
    keep: tuple[str, ...] = Field((), description="feature names that no selection may drop")
    clip_quantile: float = Field(
        0.001, ge=0.0, lt=0.5, description="each tail of the training distribution beyond this is clipped"
    )
    max_correlation: float = Field(
        0.95,
        gt=0.0,
        le=1.0,
        description="of two features whose absolute training correlation exceeds this, the later is dropped",
    )
    max_features: int = Field(
        64,
        ge=1,
        le=10_000,
        description="of the rest, keep so many with the strongest association with the training outcome",
    )

    @model_validator(mode="after")
    def _either_names_or_a_choice(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"each of names once, received {list(self.names)}")
        if self.names and (self.groups or self.exclude or self.keep):
            raise ValueError("names without groups, exclude and keep, received both")
        return self
