"""One closed candle, and what makes it unusable."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.candles.check import DEFECTS, find_defects
from deepstack.candles.rows import Rows
from deepstack.errors import DataError


@dataclass(frozen=True)
class Bar:
    """A closed candle.

    Attributes:
        symbol: name of the instrument.
        close_ms: close time, milliseconds UTC.
        values: `open high low close volume` and the optional columns that the stream asks for, in its order.
    """

    symbol: str
    close_ms: int
    values: tuple[float, ...]

    @property
    def close_time(self) -> pd.Timestamp:
        """Close time, UTC."""
        return pd.Timestamp(self.close_ms, unit="ms", tz="UTC")


def require_sound(bar: Bar, columns: tuple[str, ...], step_ms: int) -> None:
    """Refuse what reading a file refuses, by the same rules.

    Raises:
        DataError: a value that is not finite, a price out of range, a negative volume, or a high or low that excludes
            another price.
    """
    one = np.zeros(1, np.int64)
    rows = Rows(bar.symbol, step_ms, one + bar.close_ms, columns, np.array([bar.values]), ("line",), one, one)
    defects = find_defects(rows)
    if defects:
        raise DataError(
            f"{bar.symbol} {bar.close_time:%Y-%m-%d %H:%M:%S}",
            expected="a sound bar",
            received=", ".join(_one(DEFECTS[defect.kind]) for defect in defects),
            remedy="correcting it at its source",
        )


def _one(rows: str) -> str:
    """`rows with a price …` → `a price …`."""
    return rows.removeprefix("rows with ").replace("rows whose", "one whose")


def require_grid(bar: Bar, other_ms: int, step_ms: int, where: str = "") -> None:
    """Refuse a bar that closes off the grid of another of its symbol.

    Args:
        bar: the bar.
        other_ms: close of the other.
        step_ms: bar interval.
        where: it stands; its symbol and close by default.

    Raises:
        DataError: names the distance.
    """
    if (bar.close_ms - other_ms) % step_ms:
        raise DataError(
            where or f"{bar.symbol} {bar.close_time}",
            expected=f"a close whole steps of {step_ms / 1000:g} s from the bars before",
            received=f"{abs(bar.close_ms - other_ms) / 1000:g} s from another",
            remedy="bars of one interval on one grid",
        )


def require_closed(bar: Bar, step_ms: int, now_s: float) -> None:
    """Refuse a bar that closes later than one bar from now: taken in, it would make all that follow late.

    Raises:
        DataError: names the time.
    """
    if bar.close_ms > 1000 * now_s + step_ms:
        raise DataError(
            f"{bar.symbol} {bar.close_time}",
            expected="a bar that has closed",
            received="one that closes in the future",
            remedy="its times in milliseconds or ISO 8601, UTC",
        )
