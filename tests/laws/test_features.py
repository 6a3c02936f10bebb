"""The laws of features, over the whole catalogue, on synthetic candles with every hardship and on real ones."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import deepstack.features
from deepstack.features import catalogue, docs
from deepstack.features.bars import Bars
from deepstack.features.feature import Feature

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / "../shared/data"
BARS = 6000
SPOT, FUTURES = "btcusdt_spot_1m_2017-08_2018-07.csv.gz", "{}usdt_um_1m_2022-10_2023-03.csv.gz"
SOURCES = ("synthetic", "spot_2017", "futures_2022")
MACHINERY = {"bars", "feature", "catalogue", "table", "scale", "screen", "select", "docs"}
FEATURES = tuple(catalogue.FEATURES.values())

over_features = pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
over_sources = pytest.mark.parametrize("source", SOURCES)


def synthetic(bars: int = BARS, seed: int = 11) -> Bars:
    """A random market with a crash, a dead stretch, constant prices with volume, and a collapse of volume."""
    rng = np.random.default_rng(seed)
    sigma = 1e-3 * np.exp(np.cumsum(rng.normal(scale=0.02, size=bars)))
    step = sigma * rng.standard_t(3, size=bars)
    step[1500], step[4000] = np.log(0.4), np.log(1.8)
    step[2000:2150] = 0.0  # nothing trades: price and volume stand still
    step[3000:3480] = 0.0  # longer than any lookback: trades go on at one price
    close = 50.0 * np.exp(np.cumsum(step))
    open_ = np.concatenate(([50.0], close[:-1])) * np.exp(0.2 * sigma * rng.normal(size=bars))
    reach = sigma * rng.exponential(size=(2, bars))
    still = step == 0.0
    open_[still], reach[:, still] = close[still], 0.0
    volume = rng.lognormal(2.0, 1.0, size=bars)
    volume[2000:2150] = 0.0
    volume[4500:] *= 1e-9
    trades = np.ceil(10.0 * rng.lognormal(size=bars)) * (volume > 0.0)
    peers = 0.5 * step[:, None] + sigma[:, None] * rng.normal(size=(bars, 3))
    peers[5000:5200, 1] = np.nan
    peers[:100] = np.nan
    return Bars(
        open=open_,
        high=np.maximum(open_, close) * np.exp(reach[0]),
        low=np.minimum(open_, close) * np.exp(-reach[1]),
        close=close,
        volume=volume,
        close_ms=1_600_000_020_000 + 60_000 * np.arange(bars, dtype=np.int64),
        interval_ms=60_000,
        extra={"trades": trades, "taker_buy_volume": volume * rng.uniform(size=bars)},
        peers=peers,
    )


def _read(name: str, first: int) -> pd.DataFrame:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"real candles {name} are not beside the project")
    return pd.read_csv(path, skiprows=range(1, first + 1), nrows=BARS).astype(float)


def _real(frame: pd.DataFrame, **more: object) -> Bars:
    column = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    close_ms = frame["open_time"].to_numpy(dtype=np.int64) + 60_000
    assert (np.diff(close_ms) == 60_000).all()
    return Bars(**column, close_ms=close_ms, interval_ms=60_000, **more)  # type: ignore[arg-type]


@lru_cache
def bars_from(source: str) -> Bars:
    if source == "synthetic":
        return synthetic()
    if source == "spot_2017":
        return _real(_read(SPOT, 0))
    btc, eth = (_read(FUTURES.format(coin), 53_000) for coin in ("btc", "eth"))  # the fall of FTX
    peers = np.concatenate(([np.nan], np.diff(np.log(eth["close"].to_numpy()))))[:, None]
    return _real(
        btc, extra={"trades": btc["trades"].to_numpy(), "taker_buy_volume": btc["tb_base"].to_numpy()}, peers=peers
    )


def _skip_without_needs(feature: Feature, bars: Bars) -> None:
    carried = {*bars.extra, *(["peers"] if bars.peers is not None else [])}
    if not carried.issuperset(feature.needs):
        pytest.skip(f"the candles lack {feature.needs}")


@lru_cache
def _cuts(source: str) -> tuple[int, ...]:
    return tuple(np.random.default_rng(5).integers(500, len(bars_from(source)), size=4).tolist())


@lru_cache
def _ends(source: str) -> tuple[int, ...]:
    drawn = np.random.default_rng(6).integers(catalogue.MAX_LOOKBACK_BARS, len(bars_from(source)), size=40)
    return (*drawn.tolist(), 1501, 1502, 1560, 2100, 2149, 2151, 2160, 3100, 3479, 3481, 3485, 3520, 4001, 4501, 4530)


@lru_cache
def _prefix(source: str, cut: int) -> Bars:
    return bars_from(source).part(slice(0, cut))


@lru_cache
def _other_future(source: str, cut: int) -> Bars:
    """The same bars up to `cut`, afterwards those of another market at another level."""
    bars, noise = bars_from(source), synthetic(len(bars_from(source)), seed=99)
    return _joined(bars, noise, cut)


def _joined(bars: Bars, noise: Bars, cut: int) -> Bars:
    def splice(past: np.ndarray, future: np.ndarray) -> np.ndarray:
        return np.concatenate((past[:cut], future[cut:]))

    return Bars(
        **{
            name: splice(getattr(bars, name), getattr(noise, name) * 1e4)
            for name in ("open", "high", "low", "close", "volume")
        },
        close_ms=bars.close_ms,
        interval_ms=bars.interval_ms,
        extra={name: splice(column, noise.extra[name]) for name, column in bars.extra.items()},
        peers=None if bars.peers is None else splice(bars.peers, noise.peers[:, : bars.peers.shape[1]]),  # type: ignore[index]
    )


@lru_cache(maxsize=4096)
def _trailing(source: str, end: int, lookback: int) -> Bars:
    return bars_from(source).part(slice(end - lookback, end))


@over_sources
@over_features
def test_the_past_does_not_know_the_future(feature: Feature, source: str) -> None:
    bars = bars_from(source)
    _skip_without_needs(feature, bars)
    whole = feature.on(bars)
    assert whole.dtype == np.float64 and whole.shape == (len(bars),)
    for cut in _cuts(source):
        np.testing.assert_array_equal(feature.on(_prefix(source, cut)), whole[:cut])
        np.testing.assert_array_equal(feature.on(_other_future(source, cut))[:cut], whole[:cut])


@over_sources
@over_features
def test_memory_is_finite(feature: Feature, source: str) -> None:
    bars = bars_from(source)
    _skip_without_needs(feature, bars)
    whole = feature.on(bars)
    quartiles = np.nanpercentile(whole[catalogue.MAX_LOOKBACK_BARS :], (25, 75))
    for end in _ends(source):
        value = feature.on(_trailing(source, end, feature.lookback_bars))[-1]
        scale = max(quartiles[1] - quartiles[0], abs(whole[end - 1]))
        assert abs(value - whole[end - 1]) <= 1e-6 * scale, (end, value, whole[end - 1])


@over_sources
@over_features
def test_every_value_after_the_lookback_is_finite(feature: Feature, source: str) -> None:
    bars = bars_from(source)
    _skip_without_needs(feature, bars)
    assert feature.lookback_bars <= catalogue.MAX_LOOKBACK_BARS
    assert np.isfinite(feature.on(bars)[feature.lookback_bars - 1 :]).all()


@lru_cache
def _rescaled(source: str, price: float, volume: float) -> Bars:
    bars = bars_from(source)
    extra = {name: column * (volume if name == "taker_buy_volume" else 1.0) for name, column in bars.extra.items()}
    return Bars(
        **{name: getattr(bars, name) * price for name in ("open", "high", "low", "close")},
        volume=bars.volume * volume,
        close_ms=bars.close_ms,
        interval_ms=bars.interval_ms,
        extra=extra,
        peers=bars.peers,
    )


@over_features
def test_scale_of_price_and_volume_does_not_matter(feature: Feature) -> None:
    bars, scaled = bars_from("synthetic"), _rescaled("synthetic", 7.3, 0.013)
    expected, received = (feature.on(b)[feature.lookback_bars - 1 :] for b in (bars, scaled))
    np.testing.assert_allclose(received, expected, rtol=1e-8, atol=1e-9 * max(np.ptp(expected), 1.0))


@pytest.mark.parametrize("source", SOURCES[1:])
@over_features
def test_powers_of_two_do_not_matter_to_real_candles(feature: Feature, source: str) -> None:
    """Prices on a tick grid tie; a factor that rounds would break ties at random, a power of two does not."""
    bars = bars_from(source)
    _skip_without_needs(feature, bars)
    scaled = _rescaled(source, 8.0, 0.25)
    expected, received = (feature.on(b)[feature.lookback_bars - 1 :] for b in (bars, scaled))
    np.testing.assert_allclose(received, expected, rtol=1e-8, atol=1e-9 * max(np.ptp(expected), 1.0))


def test_names_are_unique_and_counted() -> None:
    names = [feature.name for group in catalogue.GROUPS.values() for feature in group]
    assert len(names) == len(set(names)) == len(catalogue.FEATURES)
    plain = [feature for feature in FEATURES if not feature.needs]
    assert len(plain) >= 240
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert all(set(f.needs) <= {"trades", "taker_buy_volume", "peers"} for f in FEATURES)


def test_every_group_file_is_registered() -> None:
    folder = Path(deepstack.features.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")} - MACHINERY
    assert files == {*catalogue.GROUPS, "candle"}


def test_the_reference_page_is_in_step_with_the_catalogue() -> None:
    page = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    assert page == docs.markdown(), "run: python -m deepstack.features.docs docs/features.md"


def _peeking(b: Bars) -> np.ndarray:
    return np.concatenate((b.close[1:] / b.close[:-1], [1.0]))


def _running(b: Bars) -> np.ndarray:
    return np.cumsum(np.sign(b.close - b.open) * b.volume) / b.volume.max()


@pytest.mark.parametrize(
    ("law", "compute"),
    [
        (test_the_past_does_not_know_the_future, _peeking),
        (test_memory_is_finite, _running),
        (test_scale_of_price_and_volume_does_not_matter, lambda b: b.close),
    ],
)
def test_the_laws_catch_a_planted_offender(law: Callable, compute: Callable[[Bars], np.ndarray]) -> None:
    offender = Feature(f"offender_{id(compute)}", "", "", 10, compute)
    arguments = {} if law is test_scale_of_price_and_volume_does_not_matter else {"source": "synthetic"}
    with pytest.raises(AssertionError):
        law(feature=offender, **arguments)
