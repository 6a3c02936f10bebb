import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepstack.evaluation.importance import group_importance

GROUPS = {"noise": [0, 1], "signal": [2, 3], "twin": [4]}


def world(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    x[:, 3] = x[:, 2]
    return x, random.uniform(size=rows) < 1.0 / (1.0 + np.exp(-2.0 * x[:, 2]))


def test_only_what_the_model_uses_matters_and_a_group_is_shuffled_as_one() -> None:
    x, won = world()
    seen: list[np.ndarray] = []

    def predict(rows: np.ndarray) -> np.ndarray:
        seen.append(rows.copy())
        return rows[:, 2] + rows[:, 3]

    drops = group_importance(predict, x, won, GROUPS, rows=2000, seed=1)
    assert drops is not None
    assert next(iter(drops)) == "signal"
    assert (drops["noise"], drops["twin"]) == (0.0, 0.0)
    assert len(seen) == 1 + 2 * len(GROUPS)
    for rows in seen:
        assert len(rows) == 2000
        np.testing.assert_array_equal(rows[:, 2], rows[:, 3])
    np.testing.assert_array_equal(x, world()[0])


def test_shuffling_all_that_is_known_leaves_a_coin() -> None:
    x, won = world()
    drops = group_importance(lambda rows: rows[:, 2], x, won, {"all": range(5)}, rows=4000, seed=2, repeats=4)
    assert drops is not None
    assert drops["all"] == pytest.approx(roc_auc_score(won, x[:, 2]) - 0.5, abs=0.02)


def test_it_is_deterministic_and_undefined_with_one_class() -> None:
    x, won = world()
    first, second = (group_importance(lambda rows: rows[:, 2], x, won, GROUPS, rows=500, seed=3) for _ in range(2))
    assert first == second
    assert group_importance(lambda rows: rows[:, 2], x, np.ones(4000, bool), GROUPS, rows=500, seed=3) is None
