"""Which groups of features a model lives on: how much AUC it loses when a whole group is shuffled among the rows.

Permutation importance (Breiman 2001; Fisher, Rudin & Dominici 2019), by group rather than by feature: features of one
group stand in for each other, so that shuffling one alone would call every one of them useless.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deepstack.progress import Progress, no_progress


def group_importance(
    score: Callable[[dict[str, np.ndarray], np.ndarray], float | None],
    inputs: Mapping[str, Any],
    groups: Mapping[str, Sequence[int]],
    *,
    rows: int,
    seed: int,
    repeats: int = 2,
    progress: Progress | None = None,
) -> dict[str, float] | None:
    """Drop in AUC when the columns of a group are shuffled together, largest first.

    Args:
        score: (inputs of some samples, their positions) → AUC, None where a class is absent; called once and once more
            for each group and repeat.
        inputs: name → [samples, …, features], arrays or what gathers them by index; others have fewer columns and are
            left as they are.
        groups: name → column numbers.
        rows: at most so many samples are used, drawn at random.
        seed: of the draw and the shuffles.
        repeats: shuffles averaged for each group.
        progress: told as each group is done.

    Returns:
        Group → mean drop in AUC (about 0: not used; negative: noise or harm); None when a class is absent.
    """
    random = np.random.default_rng(seed)
    count = len(next(iter(inputs.values())))
    chosen = np.sort(random.permutation(count)[:rows])
    x = {name: np.array(values[chosen]) for name, values in inputs.items()}
    width = 1 + max(max(columns) for columns in groups.values())
    shuffled = [values for values in x.values() if values.shape[-1] >= width and values.dtype == np.float32]
    baseline = score(x, chosen)
    if baseline is None:
        return None
    report = progress or no_progress
    drops: dict[str, float] = {}
    for done, (name, columns) in enumerate(groups.items()):
        report("importance", done, len(groups), name)
        own = list(columns)
        intact = [values[..., own] for values in shuffled]
        losses = []
        for _ in range(repeats):
            order = random.permutation(len(chosen))
            for values, kept in zip(shuffled, intact, strict=True):
                values[..., own] = kept[order]
            losses.append(baseline - (score(x, chosen) or 0.0))
        for values, kept in zip(shuffled, intact, strict=True):
            values[..., own] = kept
        drops[name] = float(np.mean(losses))
    report("importance", len(groups), len(groups), "done")
    return dict(sorted(drops.items(), key=lambda item: -item[1]))
