import math
from collections import Counter

import numpy as np
import pytest

from deepstack.features import _entropies as entropies
from deepstack.features.bars import Bars


def shannon(symbols: list) -> float:
    return -sum(c / len(symbols) * math.log(c / len(symbols)) for c in Counter(symbols).values())


def test_entropy_of_counts_matches_its_definition() -> None:
    symbols = np.random.default_rng(0).integers(0, 4, 200).astype(float)
    result = entropies.entropy(symbols, 4, 50)
    assert np.isnan(result[:49]).all()
    assert result[-1] == pytest.approx(shannon(symbols[-50:].tolist()), rel=1e-12)


def test_entropy_is_nan_while_a_symbol_is_unknown() -> None:
    symbols = np.array([np.nan, 0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        entropies.entropy(symbols, 2, 3), [np.nan, np.nan, np.nan, shannon([0, 1, 0]), shannon([1, 0, 1])]
    )


@pytest.mark.parametrize("order", [3, 4])
def test_ordinal_patterns_are_a_code_of_the_order(bars: Bars, order: int) -> None:
    code = entropies.ordinal_pattern(bars, order)[order - 1 :]
    ranks = [tuple(np.argsort(w, kind="stable")) for w in np.lib.stride_tricks.sliding_window_view(bars.close, order)]
    assert len(set(zip(code, ranks, strict=True))) == len(set(code)) == len(set(ranks)) == math.factorial(order)
    assert code.min() == 0 and code.max() == math.factorial(order) - 1


def test_approximate_entropy_is_the_conditional_entropy_of_signs(bars: Bars) -> None:
    sign = np.sign(np.diff(np.log(bars.close)))
    pairs, single = list(zip(sign[-101:-1], sign[-100:], strict=True)), sign[-100:].tolist()
    expected = (shannon(pairs) - shannon(single)) / math.log(3)
    assert entropies.approximate_entropy(bars)[-1] == pytest.approx(expected, rel=1e-9)


def test_sample_entropy_by_hand(bars: Bars) -> None:
    r = np.concatenate(([np.nan], np.diff(np.log(bars.close))))
    tolerance = {t: 0.5 * r[t - 49 : t + 1].std() for t in range(len(r) - 60, len(r))}
    one = two = 0
    for t in range(len(r) - 50, len(r)):
        for k in range(1, 11):
            before = abs(r[t - 1] - r[t - 1 - k]) <= tolerance[t - 1]
            one += before
            two += before and abs(r[t] - r[t - k]) <= tolerance[t]
    assert entropies.sample_entropy(bars)[-1] == pytest.approx(math.log((one + 1) / (two + 1)), rel=1e-12)


def test_a_repeating_market_is_more_predictable_than_a_random_one(bars: Bars) -> None:
    close = 100.0 + np.tile([0.0, 1.0], 300)
    volume = np.ones(600)
    periodic = Bars(close, close, close, close, volume, np.arange(600), 1)
    for measure in (entropies.approximate_entropy, entropies.sample_entropy):
        assert measure(periodic)[-1] < 0.5 * measure(bars)[-1]
