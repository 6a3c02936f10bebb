"""What a model sees of a sample: one bar's features, a window of bars, several timeframes, and how these are varied."""

from typing import Literal

from pydantic import Field

from deepstack.config._room import Room

Transform = Literal["time_warp", "magnitude_warp", "window_slice", "noise", "mixup", "cutmix"]


class AugmentConfig(Room):
    """Variations of training samples; validation, test and serving see the samples as they are."""

    transforms: tuple[Transform, ...] = Field((), description="applied in this order; none by default")
    share: float = Field(0.5, gt=0.0, le=1.0, description="share of the samples that each transform varies")
    warp_strength: float = Field(
        0.2, gt=0.0, lt=1.0, description="time_warp, magnitude_warp: standard deviation of the smooth curve around 1"
    )
    warp_knots: int = Field(4, ge=2, le=1000, description="time_warp, magnitude_warp: knots of that curve")
    slice_share: float = Field(0.9, gt=0.0, lt=1.0, description="window_slice: share of the window that is stretched")
    noise: float = Field(0.05, gt=0.0, le=100.0, description="noise: standard deviation, in deviations of the feature")
    mix_alpha: float = Field(
        0.2, gt=0.0, le=100.0, description="mixup, cutmix: both parameters of the Beta distribution"
    )


class SamplesConfig(Room):
    """Window and timeframes of sequence models; models that see one bar use neither."""

    window_bars: int = Field(64, ge=2, le=100_000, description="bars a sequence model sees, in each timeframe")
    timeframes: tuple[str, ...] = Field(
        (), description="coarser intervals seen beside the bars' own, e.g. 5min; for models of several timeframes"
    )
    images: str | None = Field(
        None, description="folder of images that `deepstack gaf` has stored; none: made in the graph, nothing is stored"
    )
    augment: AugmentConfig = AugmentConfig()
