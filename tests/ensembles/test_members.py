"""A member that only hurts is dropped and no other is; diversity is what its definition says."""

import numpy as np
import pandas as pd
import pytest

from deepstack.ensembles.members import diversity, prune


def sample(count: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2, count)
    times = pd.DataFrame({"decision_time": pd.date_range("2024-01-01", periods=count, freq="1h", tz="UTC")})
    return random.uniform(size=(4, count)), codes, times


def knowing(noise: np.ndarray, codes: np.ndarray, strength: float) -> np.ndarray:
    won = np.clip(0.5 + strength * (codes - 0.5) + 0.3 * (noise - 0.5), 0.02, 0.98)
    return np.stack([1.0 - won, won], axis=1)


def test_a_member_that_knows_nothing_and_is_sure_of_it_is_dropped() -> None:
    noise, codes, times = sample()
    good = [knowing(one, codes, 0.4) for one in noise[:3]]
    sure = np.where(noise[3] > 0.5, 0.99, 0.01)
    found = prune(np.stack([*good, np.stack([1.0 - sure, sure], axis=1)]), codes, times)
    assert found.dropped == (3,) and found.kept == (0, 1, 2)


def test_members_that_complement_each_other_stay() -> None:
    noise, codes, times = sample()
    found = prune(np.stack([knowing(one, codes, 0.2) for one in noise]), codes, times)
    assert found.kept == (0, 1, 2, 3) and found.dropped == ()


def test_two_members_stay_whatever_they_do() -> None:
    noise, codes, times = sample()
    found = prune(np.stack([knowing(one, 1 - codes, 0.4) for one in noise]), codes, times)
    assert len(found.kept) >= 2


def test_diversity_by_hand() -> None:
    codes = np.array([0, 1, 1, 0])
    won = np.array([[0.1, 0.9, 0.8, 0.2], [0.1, 0.4, 0.8, 0.6], [0.1, 0.9, 0.8, 0.2]])
    found = diversity(np.stack([1.0 - won, won], axis=2), codes)
    assert found["pairs"]["disagreement"][0] == [0.0, 0.5, 0.0]
    assert found["disagreement"] == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert found["pairs"]["error_correlation"][0][2] == pytest.approx(1.0)
