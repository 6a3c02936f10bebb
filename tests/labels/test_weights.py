"""Uniqueness against a bar-by-bar count, and class balance as an exactly reversible change of prior."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from deepstack.errors import DataError
from deepstack.labels.weights import class_balance, correct_prior, uniqueness

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


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), winners=st.floats(0.1, 0.9), share=st.floats(0.1, 0.9))
def test_winners_carry_the_share_and_the_mean_is_one(seed: int, winners: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    won, weights = rng.random(200) < winners, rng.uniform(0.1, 1.0, 200)
    balanced = class_balance(won, weights, share)
    assert balanced.mean() == pytest.approx(1.0)
    assert balanced[won].sum() == pytest.approx(200 * share)
    np.testing.assert_allclose(balanced[won] / weights[won], balanced[won][0] / weights[won][0])


@given(p=st.floats(0.0, 1.0), prior=st.floats(0.01, 0.99))
def test_correction_is_reversible_monotone_and_fixes_the_ends(p: float, prior: float) -> None:
    assert correct_prior(correct_prior(np.float64(p), prior), 1.0 - prior) == pytest.approx(p, abs=1e-12)
    assert correct_prior(np.float64(0.5), prior) == pytest.approx(prior)
    np.testing.assert_array_equal(correct_prior(np.array([0.0, 1.0]), prior), [0.0, 1.0])


def test_corrected_probability_is_exact_for_a_discrete_world() -> None:
    # Every x has its own P(won | x); the balanced model's truth is the weighted share, and the correction undoes it.
    truth = np.array([0.05, 0.2, 0.4, 0.7])
    won = np.concatenate([np.repeat([True, False], [round(1000 * p), 1000 - round(1000 * p)]) for p in truth])
    group = np.repeat(np.arange(4), 1000)
    weights, prior = class_balance(won, np.ones(4000), 0.5), won.mean()
    balanced = np.array([weights[won & (group == g)].sum() / weights[group == g].sum() for g in range(4)])
    np.testing.assert_allclose(correct_prior(balanced, prior), truth, rtol=1e-12)


def test_weights_that_favour_a_class_do_not_move_the_probabilities() -> None:
    # Losers overlap more than winners, so they weigh less; the market has as many of them as before.
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40_000, 1))
    won = rng.random(40_000) < 1.0 / (1.0 + np.exp(-x[:, 0]))
    unique = np.where(won, 1.0, 0.4)
    for share in (0.5, won.mean()):
        model = LogisticRegression(C=1e6).fit(x, won, sample_weight=class_balance(won, unique, share))
        raw = model.predict_proba(x)[:, 1]
        corrected = correct_prior(raw, won.mean()) if share == 0.5 else raw
        assert corrected.mean() == pytest.approx(won.mean(), abs=0.01)


def test_a_calibrated_model_stays_calibrated() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60_000, 1))
    won = rng.random(60_000) < 1.0 / (1.0 + np.exp(-(x[:, 0] - 1.5)))
    weights, prior = class_balance(won, np.ones(len(won)), 0.5), won.mean()
    model = LogisticRegression(C=1e6).fit(x, won, sample_weight=weights)
    raw = model.predict_proba(x)[:, 1]
    corrected = correct_prior(raw, prior)
    assert abs(raw.mean() - won.mean()) > 0.1
    for bin_ in np.array_split(np.argsort(corrected), 10):
        error = 4.0 * np.sqrt(won[bin_].mean() * (1 - won[bin_].mean()) / len(bin_))
        assert abs(corrected[bin_].mean() - won[bin_].mean()) < error


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="3 won of 3"):
        class_balance(np.ones(3, bool), np.ones(3), 0.5)
