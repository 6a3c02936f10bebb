"""Planted leaks of features: mistakes that make a series know its own future."""

from collections.abc import Callable

import bottleneck as bn
import numpy as np
import pandas as pd
import pywt
from scipy.signal import filtfilt, savgol_filter

from deepstack.features.bars import Bars


def _returns(bars: Bars) -> np.ndarray:
    return np.concatenate([[0.0], np.diff(np.log(bars.close))])


def _shifted(values: np.ndarray, bars: int) -> np.ndarray:
    """The value so many bars later, 0 where there is none."""
    return np.concatenate([values[bars:], np.zeros(min(bars, len(values)))])[: len(values)]


def _centred_mean(bars: Bars) -> np.ndarray:
    return np.asarray(pd.Series(_returns(bars)).rolling(5, center=True, min_periods=1).mean())


def _full_sample_scaler(bars: Bars) -> np.ndarray:
    returns = _returns(bars)
    return np.asarray((returns - returns.mean()) / (returns.std() + 1e-12))


def _backfill(bars: Bars) -> np.ndarray:
    returns = pd.Series(_returns(bars))
    return np.asarray(returns.where(returns > 0.0).bfill())


def _interpolated(bars: Bars) -> np.ndarray:
    returns = pd.Series(_returns(bars))
    return np.asarray(returns.where(np.arange(len(returns)) % 3 == 0).interpolate())


def _both_ways(bars: Bars) -> np.ndarray:
    return np.asarray(filtfilt([0.2], [1.0, -0.8], _returns(bars)))


def _wavelet(bars: Bars) -> np.ndarray:
    levels = pywt.wavedec(_returns(bars), "db2", level=3)
    levels[1:] = [np.zeros_like(level) for level in levels[1:]]
    return np.asarray(pywt.waverec(levels, "db2"))[: len(bars)]


def _fourier(bars: Bars) -> np.ndarray:
    spectrum = np.fft.rfft(_returns(bars))
    spectrum[len(spectrum) // 4 :] = 0.0
    return np.fft.irfft(spectrum, len(bars))


def _target(bars: Bars) -> np.ndarray:
    return np.sign(_shifted(np.log(bars.close), 12) - np.log(bars.close))


def _future_extreme(bars: Bars) -> np.ndarray:
    later = bn.move_max(bars.high[::-1], 20, min_count=1)[::-1]
    return np.asarray(bars.close / later)


def _full_sample_rank(bars: Bars) -> np.ndarray:
    return np.asarray(pd.Series(_returns(bars)).rank(pct=True))


def _whole_day(bars: Bars) -> np.ndarray:
    day = pd.Series(bars.high).groupby((bars.close_ms - 1) // 86_400_000).transform("max")
    return np.asarray(bars.close / day)


def _savgol(bars: Bars) -> np.ndarray:
    return np.asarray(savgol_filter(_returns(bars), 7, 2)) if len(bars) >= 7 else _returns(bars)


def _now_and_then(bars: Bars) -> np.ndarray:
    rare = bars.close_ms // bars.interval_ms % 41 == 0
    return np.where(rare, _shifted(_returns(bars), 1), _returns(bars))


def _fitted_trend(bars: Bars) -> np.ndarray:
    at = np.arange(len(bars))
    return np.asarray(np.log(bars.close) - np.polyval(np.polyfit(at, np.log(bars.close), 1), at))


FEATURE_LEAKS: dict[str, Callable[[Bars], np.ndarray]] = {
    "shift(-1)": lambda bars: _shifted(_returns(bars), 1),
    "shift(-300)": lambda bars: _shifted(_returns(bars), 300),
    "centred rolling window": _centred_mean,
    "scaled by the full sample": _full_sample_scaler,
    "backfill": _backfill,
    "interpolation between known values": _interpolated,
    "smoothing forwards and backwards": _both_ways,
    "wavelet over the full series": _wavelet,
    "Fourier filter over the full series": _fourier,
    "target among the features": _target,
    "extreme of the coming bars": _future_extreme,
    "rank in the full sample": _full_sample_rank,
    "high of the whole day during the day": _whole_day,
    "Savitzky-Golay filter": _savgol,
    "a peek at every 41st bar alone": _now_and_then,
    "trend fitted to the full series": _fitted_trend,
}
