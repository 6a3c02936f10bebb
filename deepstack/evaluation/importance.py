"""Which groups of features a model lives on: how much AUC it loses when a whole group is shuffled among the rows.

Permutation importance (Breiman 2001; Fisher, Rudin & Dominici 2019), by group rather than by feature: features of one
group stand in for each other, so that shuffling one alone would call every one of them useless.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deepstack.evaluation.classification import ranking_auc
from deepstack.progress import Progress, no_progress


def group_importance(
    predict: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    won: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    *,
    rows: int,
    seed: int,
    repeats: int = 2,
    progress: Progress | None = None,
) -> dict[str, float] | None:
    """Drop in AUC when the columns of a group are shuffled together, largest first.

    Args:
        predict: [rows, features] → probability [rows]; called once and once more for each group and repeat.
        x: float32 [test rows, features].
        won: bool [test rows].
        groups: name → column numbers.
        rows: at most so many test rows are used, drawn at random.
        seed: of the draw and the shuffles.
        repeats: shuffles averaged for each group.
        progress: told as each group is done.

    Returns:
        Group → mean drop in AUC (about 0: not used; negative: noise or harm); None when the rows hold one class only.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(x))[:rows])
    x, won = np.array(x[chosen]), won[chosen]
    baseline = ranking_auc(won, predict(x))
    if baseline is None:
        return None
    report = progress or no_progress
    drops: dict[str, float] = {}
    for done, (name, columns) in enumerate(groups.items()):
        report("importance", done, len(groups), name)
        own = list(columns)
        intact = x[:, own]
        losses = []
        for _ in range(repeats):
            x[:, own] = intact[random.permutation(len(x))]
            losses.append(baseline - (ranking_auc(won, predict(x)) or 0.0))
        x[:, own] = intact
        drops[name] = float(np.mean(losses))
    report("importance", len(groups), len(groups), "done")
    return dict(sorted(drops.items(), key=lambda item: -item[1]))
