import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from sklearn.metrics import log_loss, roc_auc_score

from deepstack.candles.market import Market
from deepstack.evaluation.significance import (
    auc_of,
    block_length_ms,
    block_resamples,
    bootstrap,
    difference,
    interval95,
    log_losses,
    mean_over,
    paired_test,
)

HOUR_MS = 3_600_000


def counts_of(decided_ms: np.ndarray, block_ms: int, resamples: int, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(block_resamples(decided_ms, block_ms, resamples, seed)))


def test_a_statistic_of_counts_is_the_figure_of_the_repeated_trades(trades: pd.DataFrame) -> None:
    random = np.random.default_rng(0)
    won = trades["won"].to_numpy()
    probability = np.round(random.uniform(size=len(won)), 2)
    taken = probability > 0.7
    counts = random.integers(0, 4, size=(5, len(won))).astype(float)
    for k, repeats in enumerate(counts.astype(int)):
        again = np.repeat(np.arange(len(won)), repeats)
        assert auc_of(won, probability)(counts)[k] == pytest.approx(
            roc_auc_score(won[again], probability[again]), abs=1e-12
        )
        assert mean_over(log_losses(won, probability))(counts)[k] == pytest.approx(
            log_loss(won[again], probability[again]), abs=1e-12
        )
        assert mean_over(won, taken)(counts)[k] == pytest.approx(won[again][taken[again]].mean(), abs=1e-12)


def test_blocks_keep_moments_together_over_symbols_and_each_trade_is_expected_once() -> None:
    decided = np.sort(np.random.default_rng(1).integers(0, 2000, 3000)) * HOUR_MS
    counts = counts_of(decided, 24 * HOUR_MS, 2000)
    assert counts.shape == (2000, 3000)
    assert (counts >= 0).all() and (counts == counts.astype(int)).all()
    same_moment = np.flatnonzero(np.diff(decided) == 0)
    np.testing.assert_array_equal(counts[:, same_moment], counts[:, same_moment + 1])
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.12)


def test_blocks_are_unbroken_stretches_of_random_length() -> None:
    decided = np.arange(1000) * HOUR_MS
    counts = counts_of(decided, 30 * HOUR_MS, 400)
    # A step in the count happens where a block begins or ends; 33 blocks and the cut one make about 68 of them.
    steps = (np.diff(counts, axis=1, append=counts[:, :1]) != 0).sum(axis=1)
    assert 60 < steps.mean() < 69
    assert steps.std() > 8
    np.testing.assert_allclose(counts.sum(axis=1), 1000, atol=60)
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.3)


def test_a_brute_force_count_agrees() -> None:
    decided = np.sort(np.random.default_rng(3).integers(0, 10**6, 50))
    decided -= decided[0]
    circle = int(decided[-1]) + 1
    blocks = circle // 40_000
    random = np.random.default_rng(9)
    draws = blocks + 8 * int(np.sqrt(blocks)) + 8
    starts = random.uniform(0.0, circle, size=(7, draws))
    lengths = random.exponential(circle / blocks, size=(7, draws))
    expected = np.zeros((7, 50))
    for row in range(7):
        left = float(circle)
        for start, length in zip(starts[row], lengths[row], strict=True):
            length = min(length, left)
            expected[row] += (decided - start) % circle < length
            left -= length
    np.testing.assert_array_equal(counts_of(decided, 40_000, 7, seed=9), expected)


def test_it_is_as_wide_as_the_stationary_bootstrap_of_arch() -> None:
    noise = np.random.default_rng(0).normal(size=1009)
    values = np.convolve(noise, np.ones(10) / 10, "valid")
    decided = np.arange(1000) * HOUR_MS
    ours = mean_over(values)(counts_of(decided, 25 * HOUR_MS, 4000)).std()
    theirs = StationaryBootstrap(25, values, seed=1).apply(np.mean, 4000).std()
    assert ours == pytest.approx(theirs, rel=0.05)


def test_the_same_seed_gives_the_same_resamples() -> None:
    decided = np.arange(500) * HOUR_MS
    np.testing.assert_array_equal(counts_of(decided, HOUR_MS, 10, 4), counts_of(decided, HOUR_MS, 10, 4))
    assert (counts_of(decided, HOUR_MS, 10, 4) != counts_of(decided, HOUR_MS, 10, 5)).any()


def test_blocks_are_never_shorter_than_the_longest_label() -> None:
    decided = np.arange(0, 1000) * HOUR_MS
    assert block_length_ms(decided, decided + 5 * HOUR_MS) == 25 * HOUR_MS
    assert block_length_ms(decided, decided + 24 * HOUR_MS) == 999 * HOUR_MS // 20
    assert block_length_ms(decided, decided + 90 * HOUR_MS) == 90 * HOUR_MS


def test_a_slice_too_short_for_blocks_has_no_interval(trades: pd.DataFrame) -> None:
    short = trades[trades["decision_time"] < trades["decision_time"].iloc[0] + pd.Timedelta("3D")]
    won = short["won"].to_numpy()
    assert interval95(bootstrap({"won": mean_over(won)}, short, 100, 0)["won"]) is None
    found = difference(mean_over(won), mean_over(~won), short, 100, 0)
    assert found.estimate is not None
    assert (found.ci95, found.p_value) == (None, None)


def test_interval_covers_the_truth_although_labels_overlap() -> None:
    """Outcomes averaged over 24 shared hours, three symbols with one common driver: the interval still holds 95 %."""
    random = np.random.default_rng(11)
    hours, label = 4000, 24
    decided = np.repeat(np.arange(hours), 3) * HOUR_MS
    block = block_length_ms(decided, decided + label * HOUR_MS)
    counts = counts_of(decided, block, 300)
    hits, narrow, worlds = 0, 0, 300
    for _ in range(worlds):
        driver = random.normal(size=hours + label)
        outcome = np.repeat(np.convolve(driver, np.ones(label), "valid")[:hours], 3) + random.normal(size=3 * hours)
        low, high = interval95(mean_over(outcome)(counts)) or (0.0, 0.0)
        hits += low <= 0.0 <= high
        narrow += abs(outcome.mean()) <= 1.96 * outcome.std() / np.sqrt(len(outcome))
    assert 0.90 <= hits / worlds <= 0.99
    assert narrow / worlds < 0.5, "trades resampled one by one would have promised far too much"


def test_a_better_model_is_found_and_an_equal_one_is_not(
    trades: pd.DataFrame, guess: Callable[..., np.ndarray]
) -> None:
    good, weak, also_weak = guess(trades, 1, 0.2), guess(trades, 2, 0.02), guess(trades, 3, 0.02)
    found = paired_test(trades, (good, good > 0.5), (weak, weak > 0.5), 400, 0)
    assert found["auc"].ci95 is not None and found["auc"].ci95[0] > 0.0
    assert found["auc"].p_value is not None and found["auc"].p_value < 0.01
    assert found["log_loss"].estimate is not None and found["log_loss"].estimate < 0.0
    equal = paired_test(trades, (weak, weak > 0.5), (also_weak, also_weak > 0.5), 400, 0)["auc"]
    assert equal.ci95 is not None and equal.ci95[0] < 0.0 < equal.ci95[1]
    same = paired_test(trades, (weak, weak > 0.5), (weak, weak > 0.5), 400, 0)["auc"]
    assert (same.estimate, same.ci95, same.p_value) == (0.0, [0.0, 0.0], 1.0)


def test_one_class_has_no_auc_interval(trades: pd.DataFrame) -> None:
    lost = np.zeros(len(trades), bool)
    drawn = bootstrap({"auc": auc_of(lost, np.linspace(0, 1, len(lost)))}, trades, 100, 0)
    assert interval95(drawn["auc"]) is None


@pytest.mark.slow
def test_a_thousand_aucs_of_ten_thousand_trades_take_under_five_seconds(
    sample: Callable[..., tuple[Market, pd.DataFrame]], guess: Callable[..., np.ndarray]
) -> None:
    _, trades = sample(10, 20_000, 10_000, 5)
    probability = guess(trades, 1)
    started = time.process_time()
    drawn = bootstrap({"auc": auc_of(trades["won"].to_numpy(), probability)}, trades, 1000, 0)
    assert time.process_time() - started < 5.0
    assert len(drawn["auc"]) == 1000
