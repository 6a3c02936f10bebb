"""Where the candles come from and what may be done to them."""

from typing import Literal

from pydantic import Field

from deepstack.config._room import Room


class SyntheticConfig(Room):
    """The seeded synthetic market, used when `data.paths` is empty."""

    symbols: int = Field(6, ge=1, le=64, description="number of symbols")
    bars: int = Field(20_000, ge=500, le=1_000_000, description="bars a symbol")
    interval: str = Field("1h", description="bar interval, a pandas offset such as 1min, 15min, 1h, 1D")
    edge: float = Field(1.0, ge=0.0, le=3.0, description="strength of the planted edge; 0 plants none")


class DataConfig(Room):
    """Candle files, their repair and their resampling."""

    paths: tuple[str, ...] = Field((), description="candle files or folders; none means the synthetic market")
    repair: Literal["strict", "sort", "drop"] = Field(
        "strict",
        description="strict: any defect stops the run; sort: put rows in order and drop identical duplicates; "
        "drop: also drop defective rows. Conflicting duplicates always stop the run",
    )
    symbols: tuple[str, ...] = Field((), description="use only these symbols; none means all that are found")
    resample: str | None = Field(None, description="coarser bar interval to resample to, e.g. 4h")
    synthetic: SyntheticConfig = SyntheticConfig()
