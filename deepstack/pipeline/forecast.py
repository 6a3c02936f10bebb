"""The next bars of a symbol as a generative model sees them: sampled paths and their quantiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.artifact.stepper import stepper_of
from deepstack.candles.market import Candles, Market, as_market
from deepstack.errors import ConfigError, DataError
from deepstack.features._market import bars_of
from deepstack.features._shared import volatility
from deepstack.features.price import SIGMA_BARS
from deepstack.models import catalogue
from deepstack.models.inputs import BASE
from deepstack.pipeline.generation import Wish, generated
from deepstack.pipeline.inputs import nothing_seen, see
from deepstack.pipeline.predict import Predictor, check_interval

RETURN = "return_1"
"""The feature that a path of prices is the running sum of: one bar's log return in trailing deviations."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What may come after the last bar.

    Attributes:
        symbol: whose bars.
        decision_time: close of the last bar known.
        paths: float64 [paths, bars], log return from that close to the end of each coming bar.
        times: close of each coming bar.
    """

    symbol: str
    decision_time: pd.Timestamp
    paths: np.ndarray
    times: pd.DatetimeIndex

    def quantiles(self, shares: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> pd.DataFrame:
        """Quantiles of the log return to each coming bar, one row a bar."""
        values = np.quantile(self.paths, shares, axis=0).T
        return pd.DataFrame(values, index=self.times, columns=[f"q{share:g}" for share in shares])


def forecast(
    predictor: Predictor,
    candles: Candles | Market,
    symbol: str | None = None,
    *,
    bars: int = 12,
    paths: int = 256,
    sample: Callable[[Wish], np.ndarray] | None = None,
) -> Forecast:
    """Sample the coming bars: each next bar's features are drawn from what the network foresees, then fed back.

    The network foresees returns in trailing deviations; the deviation is held at that of the last bar.

    Args:
        predictor: of a generative model whose features hold `return_1`.
        candles: up to now; of a market, `symbol` says whose bars.
        bars: how many to come.
        paths: how many samples; drawn by the artifact's seed.
        sample: gives the values of a wish; the default draws it alone.

    Raises:
        ConfigError: a model that foresees nothing, or one without the return among its features.
        DataError: candles of another interval, an unknown symbol, or too few bars up to its last.
    """
    artifact = predictor.artifact
    require_generative(artifact)
    if RETURN not in artifact.features:
        raise ConfigError(
            "features",
            expected=f"{RETURN} among the artifact's features",
            received=f"{len(artifact.features)} others",
            remedy=f"training with features.keep=[{RETURN}]",
        )
    market = as_market(candles)
    chosen = symbol or next(iter(market))
    window = _last_window(predictor, market, chosen)
    interval, now = market[chosen].interval, market[chosen].frame.index[-1]
    noise = np.random.default_rng(artifact.config.seed).standard_normal(
        (bars, paths, len(artifact.features)), np.float32
    )
    steps = (sample or partial(generated, stepper_of(predictor.network)))(Wish(window, noise))
    scaler, column = artifact.scalers[BASE]["standardise"], artifact.features.index(RETURN)
    sigma = volatility(bars_of(market, chosen, tail=SIGMA_BARS + 1), SIGMA_BARS)[-1]
    returns = sigma * (steps[..., column].T * scaler.scale_[column] + scaler.mean_[column])
    times = pd.DatetimeIndex([now + (k + 1) * interval for k in range(bars)], name="close_time")
    return Forecast(chosen, now, np.cumsum(returns, axis=1), times)


def require_generative(artifact: Artifact) -> None:
    """Refuse a model that foresees nothing.

    Raises:
        ConfigError: names those that do.
    """
    name = artifact.config.model.name
    if catalogue.find(name).generator is None:
        able = ", ".join(key for key, entry in catalogue.MODELS.items() if entry.generator)
        raise ConfigError(
            "model.name", expected="a model that foresees the next bar", received=name, remedy=f"one of {able}"
        )


def _last_window(predictor: Predictor, market: Market, symbol: str) -> np.ndarray:
    """What the network sees at a symbol's last bar, whether or not a decision is asked there: scaled [bars, …]."""
    artifact = predictor.artifact
    check_interval(artifact, market)
    if symbol not in market:
        raise DataError(
            "candles", expected=f"bars of {symbol}", received=", ".join(market), remedy="one of those symbols"
        )
    config, entry = artifact.config, catalogue.line_of(artifact.config.model)
    last = pd.DataFrame({"symbol": [symbol], "decision_time": market[symbol].frame.index[-1:]})
    seen = see(market, last, entry, config.features, config.samples, names=artifact.features)
    if not seen.known.any():
        raise nothing_seen(len(last), seen.warmup_bars, entry, config.samples)
    window: np.ndarray = predictor.scale(seen.inputs)[BASE][np.array([0])][0]
    return window
