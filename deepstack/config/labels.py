"""What a sample is and what is asked about it: a breakout trade that may be won, or the move over some horizons."""

from typing import Annotated, Literal

from pydantic import Field

from deepstack.config._room import Room


class HorizonsConfig(Room):
    """Sell, hold or buy over several horizons at once, asked at every bar; for `labels.kind: horizons`."""

    lengths: tuple[str, ...] = Field(
        ("5min", "15min", "60min"), min_length=1, description="horizons, each a multiple of the bar interval"
    )
    weights: tuple[Annotated[float, Field(gt=0.0, le=1e6)], ...] = Field(
        (), description="weight of each horizon in the loss; none means equal weights"
    )
    dead_band: float = Field(
        0.5,
        ge=0.0,
        le=100.0,
        description="a move of fewer trailing standard deviations over the horizon counts as hold",
    )
    volatility_bars: int = Field(
        240, ge=10, le=1_000_000, description="trailing bars that this deviation is estimated on"
    )
    every_bars: int = Field(1, ge=1, le=1_000_000, description="take a sample at every so-many-th bar of the clock")


class LabelsConfig(Room):
    """Donchian breakout trades with an ATR stop, a target in R and a maximum holding time; or moves over horizons."""

    kind: Literal["breakout", "horizons"] = Field(
        "breakout", description="breakout: is a breakout trade won; horizons: which way does the price move"
    )
    direction: Literal["both", "long", "short"] = Field("both", description="which breakouts are candidates")
    channel_bars: int = Field(
        20, ge=2, le=1_000_000, description="bars of the Donchian channel that must be broken by the close"
    )
    atr_bars: int = Field(14, ge=2, le=1_000_000, description="bars of the average true range that sets the stop")
    stop_atr: float = Field(
        2.0, gt=0.0, le=1000.0, description="distance of the stop from the entry, in ATR: this distance is 1 R"
    )
    target_r: float = Field(1.5, gt=0.0, le=1000.0, description="distance of the target from the entry, in R")
    max_holding_bars: int = Field(
        24, ge=1, le=1_000_000, description="bars after which the trade is closed at the close"
    )
    fee_bps: float = Field(5.0, ge=0.0, le=10_000.0, description="fee a side, basis points of the traded price")
    slippage_bps: float = Field(
        2.0, ge=0.0, le=10_000.0, description="slippage a side, basis points of the traded price"
    )
    horizons: HorizonsConfig = HorizonsConfig()
