"""Daily returns of an account: the common measure in which strategies on any bars are compared."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepstack.evaluation.equity import Equity


@dataclass(frozen=True, eq=False)
class DailyReturns:
    """Returns of one strategy, day by day.

    Attributes:
        days: UTC midnights, consecutive.
        values: float64 [days], fractions.
    """

    days: pd.DatetimeIndex
    values: np.ndarray

    def on(self, days: pd.DatetimeIndex) -> np.ndarray:
        """The returns of other days, 0 where nothing was traded, float64 [days]."""
        return np.asarray(pd.Series(self.values, self.days).reindex(days, fill_value=0.0))


def daily_returns(equity: Equity) -> DailyReturns:
    """Returns from one UTC day's last bar to the next; bars longer than a day leave days of 0 between them.

    A ruined account returns 0 ever after, and so does one that has grown beyond what a float64 can hold.
    """
    # A bar that closes at midnight belongs to the day that ends there.
    day = (equity.times - pd.Timedelta(1, "ms")).floor("D")
    last = pd.Series(equity.value, day).groupby(level=0).last()
    value = last.reindex(pd.date_range(last.index[0], last.index[-1], freq="D")).ffill()
    before = value.shift(1, fill_value=equity.value[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.where(before > 0.0, value / before - 1.0, 0.0)
    return DailyReturns(pd.DatetimeIndex(value.index), np.where(np.isfinite(returns), returns, 0.0))
