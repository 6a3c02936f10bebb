"""What a trade is and when it counts as won."""

from typing import Literal

from pydantic import Field

from deepstack.config._room import Room


class LabelsConfig(Room):
    """Donchian breakout trades with an ATR stop, a target in R and a maximum holding time."""

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
