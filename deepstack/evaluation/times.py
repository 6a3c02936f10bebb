"""Moments as whole numbers, for searching and binning."""

import numpy as np
import pandas as pd


def milliseconds(times: pd.Series | pd.Index) -> np.ndarray:
    """int64 [moments], milliseconds since 1970 UTC, of any resolution and time zone."""
    return pd.DatetimeIndex(times).as_unit("ms").asi8
