"""Uniqueness against a bar-by-bar count, and class balance as an exactly reversible change of prior."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from deepstack.errors import DataError
from deepstack.labels.weights import class_balance, correct_priors, uniqueness

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2024-01-01", tz="UTC")


def trades_of(rows: list[tuple[str, int, int]]) -> pd.DataFrame:
    """Trades from (symbol, first bar, bars held)."""
    return pd.DataFrame(
        {
            "symbol": [symbol for symbol, _, _ in rows],
            "entry_time": [START + first * HOUR for _, first, _ in rows],
            "end_time": [START + (first + held) * HOUR for _, first, held in rows],
        }
    )


def test_known_overlap() -> None:
    trades = trades_of([("A", 0, 2), ("A", 1, 2), ("A", 10, 3), ("B", 0, 2)])
    np.testing.assert_allclose(uniqueness(trades, HOUR), [0.75, 0.75, 1.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 60), st.integers(1, 12)), min_size=1, max_size=40))
def test_equals_a_count_bar_by_bar(rows: list[tuple[str, int, int]]) -> None:
    expected = []
    for symbol, first, held in rows:
        open_in = [sum(s == symbol and f <= bar < f + h for s, f, h in rows) for bar in range(first, first + held)]
        expected.append(np.mean([1.0 / count for count in open_in]))
    np.testing.assert_allclose(uniqueness(trades_of(rows), HOUR), expected, rtol=1e-12)


def test_uniqueness_sums_to_the_bars_covered() -> None:
    rng = np.random.default_rng(0)
    rows = [("A", int(first), int(held)) for first, held in zip(rng.integers(0, 500, 200), rng.integers(1, 25, 200))]  # noqa: B905
    weights = uniqueness(trades_of(rows), HOUR)
    covered = {bar for _, first, held in rows for bar in range(first, first + held)}
    assert sum(w * held for w, (_, _, held) in zip(weights, rows, strict=True)) == pytest.approx(len(covered))


def shares_of(raw: list[float]) -> np.ndarray:
    return np.array(raw) / sum(raw)


some_shares = st.lists(st.floats(0.1, 0.9), min_size=2, max_size=4).map(shares_of)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), shares=some_shares)
def test_each_class_carries_its_share_and_the_mean_is_one(seed: int, shares: np.ndarray) -> None:
    rng = np.random.default_rng(seed)
    codes, weights = rng.integers(len(shares), size=200), rng.uniform(0.1, 1.0, 200)
    balanced = class_balance(codes, weights, shares)
    assert balanced.mean() == pytest.approx(1.0)
    for k, share in enumerate(shares):
        mine = codes == k
        assert balanced[mine].sum() == pytest.approx(200 * share)
        np.testing.assert_allclose(balanced[mine] / weights[mine], balanced[mine][0] / weights[mine][0])


@given(shares=some_shares, data=st.data())
def test_correction_is_reversible_multiplies_the_odds_and_fixes_the_ends(
    shares: np.ndarray, data: st.DataObject
) -> None:
    classes = len(shares)
    p = shares_of(data.draw(st.lists(st.floats(0.01, 1.0), min_size=classes, max_size=classes)))
    corrected = correct_priors(p, shares)
    assert corrected.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(correct_priors(corrected, shares_of(list(1.0 / shares))), p, atol=1e-12)
    np.testing.assert_allclose(corrected[1:] / corrected[0], p[1:] / p[0] * shares[1:] / shares[0], rtol=1e-9)
    np.testing.assert_allclose(correct_priors(np.full(classes, 1.0 / classes), shares), shares)
    np.testing.assert_array_equal(correct_priors(np.eye(classes), shares), np.eye(classes))


def test_corrected_probability_is_exact_for_a_discrete_world() -> None:
    # Every x has its own P(class | x); the balanced model's truth is the weighted share, and the correction undoes it.
    truth = np.array([[0.90, 0.05, 0.05], [0.5, 0.3, 0.2], [0.1, 0.5, 0.4], [0.1, 0.2, 0.7]])
    codes = np.concatenate([np.repeat(np.arange(3), np.rint(1000 * p).astype(int)) for p in truth])
    group = np.repeat(np.arange(4), 1000)
    weights, priors = class_balance(codes, np.ones(4000), np.full(3, 1 / 3)), np.bincount(codes) / 4000
    balanced = np.array([np.bincount(codes[group == g], weights=weights[group == g]) for g in range(4)])
    balanced /= balanced.sum(axis=1, keepdims=True)
    assert np.abs(balanced - truth).max() > 0.05
    np.testing.assert_allclose(correct_priors(balanced, priors), truth, rtol=1e-12)


def test_weights_that_favour_a_class_do_not_move_the_probabilities() -> None:
    # Losers overlap more than winners, so they weigh less; the market has as many of them as before.
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40_000, 1))
    won = rng.random(40_000) < 1.0 / (1.0 + np.exp(-x[:, 0]))
    unique = np.where(won, 1.0, 0.4)
    alike, priors = np.full(2, 0.5), np.bincount(won) / len(won)
    for shares in (alike, priors):
        weights = class_balance(won.astype(int), unique, shares)
        raw = LogisticRegression(C=1e6).fit(x, won, sample_weight=weights).predict_proba(x)
        corrected = correct_priors(raw, priors) if shares is alike else raw
        assert corrected[:, 1].mean() == pytest.approx(won.mean(), abs=0.01)


def test_a_calibrated_model_stays_calibrated() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60_000, 1))
    won = rng.random(60_000) < 1.0 / (1.0 + np.exp(-(x[:, 0] - 1.5)))
    weights, priors = class_balance(won.astype(int), np.ones(len(won)), np.full(2, 0.5)), np.bincount(won) / len(won)
    raw = LogisticRegression(C=1e6).fit(x, won, sample_weight=weights).predict_proba(x)
    corrected = correct_priors(raw, priors)[:, 1]
    assert abs(raw[:, 1].mean() - won.mean()) > 0.1
    for bin_ in np.array_split(np.argsort(corrected), 10):
        error = 4.0 * np.sqrt(won[bin_].mean() * (1 - won[bin_].mean()) / len(bin_))
        assert abs(corrected[bin_].mean() - won[bin_].mean()) < error


def test_a_class_without_weight_is_refused() -> None:
    with pytest.raises(DataError, match=r"each of 2 classes .*received weights 0, 3 over 3 samples"):
        class_balance(np.ones(3, int), np.ones(3), np.full(2, 0.5))
    with pytest.raises(DataError, match=r"each of 3 classes .*received weights 2, 0, 1 over 3 samples"):
        class_balance(np.array([0, 2, 0]), np.ones(3), np.full(3, 1 / 3))
