from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepstack.evaluation.importance import group_importance
from deepstack.samples.windows import Windows

Predict = Callable[[np.ndarray], np.ndarray]
GROUPS = {"noise": [0, 1], "signal": [2, 3], "twin": [4]}


def world(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 5)).astype(np.float32)
    x[:, 3] = x[:, 2]
    return x, random.uniform(size=rows) < 1.0 / (1.0 + np.exp(-2.0 * x[:, 2]))


def auc_by(predict: Predict, won: np.ndarray) -> Callable[[dict[str, np.ndarray], np.ndarray], float | None]:
    """The score of a model of one matrix, None with one class."""

    def score(inputs: dict[str, np.ndarray], chosen: np.ndarray) -> float | None:
        known = won[chosen]
        return float(roc_auc_score(known, predict(inputs["features"]))) if 0 < known.sum() < len(known) else None

    return score


def test_only_what_the_model_uses_matters_and_a_group_is_shuffled_as_one() -> None:
    x, won = world()
    seen: list[np.ndarray] = []

    def predict(rows: np.ndarray) -> np.ndarray:
        seen.append(rows.copy())
        return rows[:, 2] + rows[:, 3]

    drops = group_importance(auc_by(predict, won), {"features": x}, GROUPS, rows=2000, seed=1)
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
    score, inputs = auc_by(lambda rows: rows[:, 2], won), {"features": x}
    drops = group_importance(score, inputs, {"all": range(5)}, rows=4000, seed=2, repeats=4)
    assert drops is not None
    assert drops["all"] == pytest.approx(roc_auc_score(won, x[:, 2]) - 0.5, abs=0.02)


def test_a_group_is_shuffled_alike_in_every_bar_of_every_timeframe() -> None:
    x, won = world(600)
    inputs = {"features": Windows(x, np.arange(3, 600), 4), "features_1h": x[3:], "decision_s": np.arange(597)[:, None]}
    seen: list[dict[str, np.ndarray]] = []

    def score(shown: dict[str, np.ndarray], chosen: np.ndarray) -> float:
        seen.append({name: values.copy() for name, values in shown.items()})
        return float(roc_auc_score(won[3:][chosen], shown["features_1h"][:, 2]))

    group_importance(score, inputs, GROUPS, rows=500, seed=4)
    windows = {row.tobytes() for row in inputs["features"][np.arange(597)][..., [2, 3]]}
    for shown in seen:
        # What belongs together moves together: bars of one window, and the newest of them in the other timeframe.
        assert {row.tobytes() for row in shown["features"][..., [2, 3]]} <= windows
        np.testing.assert_array_equal(shown["features"][:, -1], shown["features_1h"])
        np.testing.assert_array_equal(shown["decision_s"], seen[0]["decision_s"])
    changed = [not np.array_equal(shown["features"], seen[0]["features"]) for shown in seen[1:]]
    assert all(changed)


def test_it_is_deterministic_and_undefined_with_one_class() -> None:
    x, won = world()
    inputs = {"features": x}

    def drops(known: np.ndarray) -> dict[str, float] | None:
        return group_importance(auc_by(lambda rows: rows[:, 2], known), inputs, GROUPS, rows=500, seed=3)

    assert drops(won) == drops(won)
    assert drops(np.ones(4000, bool)) is None
