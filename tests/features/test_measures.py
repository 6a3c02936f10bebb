import numpy as np
import pandas as pd
import pytest

from deepstack.features import _measures as measures
from deepstack.features import _rolling as roll
from deepstack.features.bars import Bars


def test_mean_absolute_deviation_matches_the_direct_formula(bars: Bars) -> None:
    direct = [np.abs(w - w.mean()).mean() for w in np.lib.stride_tricks.sliding_window_view(bars.close, 14)]
    np.testing.assert_allclose(measures.mean_absolute_deviation(bars.close, 14)[13:], direct, rtol=1e-12)


def test_taps_of_emas_in_a_row_are_the_emas_in_a_row(bars: Bars) -> None:
    twice = roll.ema(roll.ema(bars.close, 9), 5)
    np.testing.assert_allclose(measures.fir(bars.close, measures.ema_taps(9, 5)), twice, rtol=1e-12)


def test_fir_keeps_to_its_window(bars: Bars) -> None:
    taps = measures.ema_taps(12)
    whole = measures.fir(bars.close, taps)
    for stop in (1, len(taps) - 1, len(taps), 500, 777):
        np.testing.assert_array_equal(measures.fir(bars.close[:stop], taps), whole[:stop])
        if stop >= len(taps):
            assert measures.fir(bars.close[stop - len(taps) : stop], taps)[-1] == whole[stop - 1]


def test_line_end_is_the_fitted_value(bars: Bars) -> None:
    fitted = [
        np.polyval(np.polyfit(np.arange(20), w, 1), 19)
        for w in np.lib.stride_tricks.sliding_window_view(bars.close, 20)
    ]
    np.testing.assert_allclose(measures.line_end(measures.close_line(bars, 20), 20)[19:], fitted, rtol=1e-10)


def test_correlations_of_pairs_match_pandas(bars: Bars) -> None:
    x, y = np.stack((bars.close, bars.volume)), np.stack((bars.volume, bars.open))
    for row, result in enumerate(measures.correlations(x, y, 50)):
        expected = pd.Series(x[row]).rolling(50).corr(pd.Series(y[row]))
        np.testing.assert_allclose(result, expected, atol=1e-7)


def test_correlations_with_a_constant_are_zero() -> None:
    constant = np.full((1, 40), 0.1)
    result = measures.correlations(constant, np.arange(40.0)[None], 10)[0]
    assert np.isnan(result[:9]).all() and (result[9:] == 0.0).all()


@pytest.mark.parametrize(("a", "b", "expected"), [(1.0, 0.0, 0.0), (0.0, 1.0, -5.0), (np.e, 1.0, 1.0), (1e9, 1.0, 5.0)])
def test_log_ratio_is_bounded(a: float, b: float, expected: float) -> None:
    assert measures.log_ratio(np.array([a]), np.array([b]))[0] == pytest.approx(expected)


def test_in_atr_reads_zero_in_a_dead_market(dead: Bars) -> None:
    assert (measures.in_atr(dead, np.ones(len(dead)))[measures.ATR_LOOKBACK :] == 0.0).all()
