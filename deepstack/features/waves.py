"""Waves: energy by scale from one-sided wavelets, power by period from a trailing Fourier window, Ehlers' filters.

Wavelets are the à-trous (stationary) transform with filters that reach into the past only, so the usual transform's
centred support, which looks ahead, never enters. Every filter is finite: recursive ones are cut where their impulse
response has faded.
"""

import math
from functools import cache

import numpy as np
import pywt

from deepstack.features import _rolling as roll
from deepstack.features._fold import fold, join_mean, pad
from deepstack.features._measures import fir
from deepstack.features._shared import log_return, volatility
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

HAAR_LEVELS = 6
DB4_LEVELS = 4
ENERGY_BARS = 100
FOURIER_BARS = 64
FOURIER_BINS = 8
"""Periods of 64, 32, 21.3, 16, 12.8, 10.7, 9.1 and 8 bars: the lowest frequencies that 64 bars tell apart."""

ROOF_BARS = 240
"""Length at which the roofing filters are cut; their response there is below 1e-7 of its peak."""

_DB4_LOW = np.asarray(pywt.Wavelet("db4").dec_lo) / math.sqrt(2.0)
_DB4_HIGH = np.asarray(pywt.Wavelet("db4").dec_hi) / math.sqrt(2.0)


def _haar_smooth(bars: Bars, level: int) -> np.ndarray:
    """Mean log return of the last 2^level bars, as a smoothing by halves. Lookback 2^level + 1."""
    if level == 0:
        return log_return(bars)

    def compute() -> np.ndarray:
        finer = _haar_smooth(bars, level - 1)
        return 0.5 * (finer + roll.lag(finer, 2 ** (level - 1)))

    return bars.once(("haar_smooth", level), compute)


def _haar_detail(bars: Bars, level: int) -> np.ndarray:
    return bars.once(("haar_detail", level), lambda: _haar_smooth(bars, level - 1) - _haar_smooth(bars, level))


def _db4_smooth(bars: Bars, level: int) -> np.ndarray:
    if level == 0:
        return log_return(bars)
    return bars.once(("db4_smooth", level), lambda: _dilated(_db4_smooth(bars, level - 1), _DB4_LOW, level))


def _db4_detail(bars: Bars, level: int) -> np.ndarray:
    return bars.once(("db4_detail", level), lambda: _dilated(_db4_smooth(bars, level - 1), _DB4_HIGH, level))


def _dilated(x: np.ndarray, taps: np.ndarray, level: int) -> np.ndarray:
    """The filter with 2^(level - 1) - 1 zeros between its taps."""
    step = 2 ** (level - 1)
    spread = np.zeros((len(taps) - 1) * step + 1)
    spread[::step] = taps
    return fir(x, spread)


def _details(bars: Bars, family: str) -> list[np.ndarray]:
    if family == "haar":
        return [_haar_detail(bars, level) for level in range(1, HAAR_LEVELS + 1)]
    return [_db4_detail(bars, level) for level in range(1, DB4_LEVELS + 1)]


def _energy(bars: Bars, family: str) -> np.ndarray:
    """Mean square over 100 of each detail, finest first, [levels, bars]."""

    def compute() -> np.ndarray:
        return pad(fold((np.stack(_details(bars, family)) ** 2,), ENERGY_BARS, join_mean)[0], len(bars))

    return bars.once(("wave_energy", family), compute)


def _energy_shares(bars: Bars, family: str) -> np.ndarray:
    return bars.once(("wave_shares", family), lambda: _shares(_energy(bars, family)))


def _shares(parts: np.ndarray) -> np.ndarray:
    """Rows of [parts, bars] over their sum; 0 where the sum is 0."""
    total = np.broadcast_to(sum(parts[1:], parts[0]), parts.shape)
    return np.divide(parts, total, out=np.zeros(parts.shape), where=total != 0.0)


def _entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy of the rows of [parts, bars] over ln(parts)."""
    terms = shares * np.log(shares, out=np.zeros(shares.shape), where=shares != 0.0)
    return -sum(terms[1:], terms[0]) / math.log(len(shares))


def _haar_bars(level: int) -> int:
    return 2**level + 1


def _db4_bars(level: int) -> int:
    return 7 * (2**level - 1) + 2


def _haar_wave(level: int) -> Feature:
    formula = f"(mean log return of {2 ** (level - 1)} bars - of {2**level}) / its root mean square over {ENERGY_BARS}"
    return Feature(
        f"haar_detail_{level}", formula, "sigma", _haar_bars(level) + ENERGY_BARS - 1,
        lambda b: roll.ratio(_haar_detail(b, level), np.sqrt(_energy(b, "haar")[level - 1])),
    )  # fmt: skip


def _energy_share(family: str, levels: int, memory: int) -> list[Feature]:
    def share(level: int) -> Feature:
        return Feature(
            f"{family}_energy_share_{level}",
            f"share of {family} detail {level} in squares over {ENERGY_BARS} of details 1 … {levels} (log returns)",
            "fraction", memory + ENERGY_BARS - 1,
            lambda b: _energy_shares(b, family)[level - 1],
        )  # fmt: skip

    return [share(level) for level in range(1, levels + 1)]


def _fourier(bars: Bars) -> np.ndarray:
    """Fourier sums of the last 64 log returns, [2 (cosine, sine), 8 bins, bars], phase 0 at the current bar.

    Windows of 1, 2, 4, … are joined by turning the older one by its age, so each value depends on its 64 bars only.
    """

    def compute() -> np.ndarray:
        omega = 2.0 * math.pi * np.arange(1.0, FOURIER_BINS + 1.0)[:, None] / FOURIER_BARS
        cosine = np.repeat(log_return(bars)[None], FOURIER_BINS, axis=0)
        sine, size = np.zeros_like(cosine), 1
        while size < FOURIER_BARS:
            c, s = np.cos(omega * size), np.sin(omega * size)
            old_cosine, old_sine = cosine[:, :-size], sine[:, :-size]
            cosine, sine = (
                cosine[:, size:] + (old_cosine * c - old_sine * s),
                sine[:, size:] + (old_cosine * s + old_sine * c),
            )
            size *= 2
        out = np.full((2, FOURIER_BINS, len(bars)), np.nan)
        out[0, :, len(bars) - cosine.shape[1] :], out[1, :, len(bars) - sine.shape[1] :] = cosine, sine
        return out

    return bars.once("fourier", compute)


def _power(bars: Bars) -> np.ndarray:
    """Share of the variance of 64 log returns in each of the 8 bins, [8, bars]; 0 where they are constant."""

    def compute() -> np.ndarray:
        cosine, sine = _fourier(bars)
        sigma = volatility(bars, FOURIER_BARS) * FOURIER_BARS
        square = np.broadcast_to(sigma * sigma, cosine.shape)
        return np.divide(2.0 * (cosine * cosine + sine * sine), square, out=np.zeros(cosine.shape), where=square != 0.0)

    return bars.once("fourier_power", compute)


def _low_power(bars: Bars) -> np.ndarray:
    power = _power(bars)
    return sum(power[1:], power[0])


def _power_shares(bars: Bars) -> np.ndarray:
    return bars.once("fourier_shares", lambda: _shares(_power(bars)))


def _power_share(k: int) -> Feature:
    period = FOURIER_BARS // k
    formula = f"share of the variance of {FOURIER_BARS} log returns at a period of {period} bars (periodogram)"
    return Feature(f"power_share_{period}", formula, "fraction", FOURIER_BARS + 1, lambda b: _power(b)[k - 1])


def _dominant_period(bars: Bars) -> np.ndarray:
    """Ehlers' centre of gravity of the spectrum, on a log scale of periods from 8 (0) to 64 (1)."""
    octaves = np.log2(FOURIER_BINS / np.arange(1.0, FOURIER_BINS + 1.0)) / 3.0
    terms = octaves[:, None] * _power_shares(bars)
    return sum(terms[1:], terms[0])


def _phase(k: int, part: int) -> Feature:
    name = ("cosine", "sine")[part]

    def compute(b: Bars) -> np.ndarray:
        wave = _fourier(b)[:, k - 1]
        return roll.ratio(wave[part], np.sqrt(wave[0] * wave[0] + wave[1] * wave[1]))

    period = FOURIER_BARS // k
    formula = f"{name} of the phase at this bar of the {period}-bar wave in the last {FOURIER_BARS} log returns"
    return Feature(f"cycle_{name}_{period}", formula, "fraction", FOURIER_BARS + 1, compute)


@cache
def _roofing_taps(longest: int, shortest: int) -> np.ndarray:
    """Ehlers (2013): two-pole high-pass at `longest`, then super smoother at `shortest`, as taps on log returns.

    The high-pass holds two differences of the price; one is taken by the log return, so a price level never enters.
    """
    angle = math.sqrt(0.5) * 2.0 * math.pi / longest
    alpha = (math.cos(angle) + math.sin(angle) - 1.0) / math.cos(angle)
    decay = math.exp(-math.sqrt(2.0) * math.pi / shortest)
    b1, c1 = 2.0 * decay * math.cos(math.sqrt(2.0) * math.pi / shortest), decay * decay
    gain = 1.0 - b1 + c1
    fade, push = 1.0 - alpha, (1.0 - alpha / 2.0) ** 2
    high, smooth, driven = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0, 1.0, *[0.0] * (ROOF_BARS - 1)]
    for now in range(2, ROOF_BARS + 2):
        high.append(push * (driven[now] - driven[now - 1]) + 2.0 * fade * high[now - 1] - fade * fade * high[now - 2])
        smooth.append(gain / 2.0 * (high[now] + high[now - 1]) + b1 * smooth[now - 1] - c1 * smooth[now - 2])
    return np.array(smooth[2:])


def _roof(longest: int, shortest: int) -> Feature:
    def compute(b: Bars) -> np.ndarray:
        wave = fir(log_return(b), _roofing_taps(longest, shortest))
        return roll.ratio(wave, volatility(b, ENERGY_BARS) * math.sqrt(shortest))

    formula = f"log close filtered to periods {shortest} … {longest} / (sigma of 100 x sqrt({shortest})) (Ehlers 2013)"
    return Feature(f"roofing_{shortest}_{longest}", formula, "sigma", ROOF_BARS + 1, compute)


FEATURES: tuple[Feature, ...] = (
    *(_haar_wave(level) for level in range(1, HAAR_LEVELS + 1)),
    *_energy_share("haar", HAAR_LEVELS, _haar_bars(HAAR_LEVELS)),
    Feature(
        "haar_entropy", "entropy of the six haar energy shares / ln 6", "fraction",
        _haar_bars(HAAR_LEVELS) + ENERGY_BARS - 1, lambda b: _entropy(_energy_shares(b, "haar")),
    ),
    *_energy_share("db4", DB4_LEVELS, _db4_bars(DB4_LEVELS)),
    *(_power_share(k) for k in (1, 2, 4, 8)),
    Feature(
        "power_share_low", "share of the variance of 64 log returns at periods of 8 to 64 bars", "fraction",
        FOURIER_BARS + 1, _low_power,
    ),
    Feature(
        "power_peak_64", "largest / sum of the power at the periods 64 / k, k = 1 … 8", "fraction", FOURIER_BARS + 1,
        lambda b: np.max(_power_shares(b), axis=0),
    ),
    Feature(
        "dominant_period_64", "power-weighted mean of log2(period / 8) / 3 over the periods 64 / k, k = 1 … 8",
        "octaves / 3", FOURIER_BARS + 1, _dominant_period,
    ),
    Feature(
        "spectral_entropy_64", "entropy of the power at the periods 64 / k, k = 1 … 8, / ln 8", "fraction",
        FOURIER_BARS + 1, lambda b: _entropy(_power_shares(b)),
    ),
    *(_phase(k, part) for k in (2, 4) for part in (0, 1)),
    *(_roof(longest, shortest) for longest, shortest in ((48, 10), (24, 6))),
)  # fmt: skip
