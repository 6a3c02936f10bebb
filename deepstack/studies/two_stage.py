"""Two stages: what a first model proposes at its threshold, taken where a second confirms it at its own."""

import numpy as np

from deepstack.pipeline.position import lean


def confirmed(first: np.ndarray, second: np.ndarray, thresholds: tuple[float, float]) -> np.ndarray:
    """Which trades of the first model both take, bool [samples].

    Args:
        first, second: float64 [samples, classes].
        thresholds: of each, of P(won), or of |P(buy) − P(sell)|; the directions must agree too.
    """
    leans = [lean(probability) for probability in (first, second)]
    both = np.logical_and.reduce([np.abs(one) >= least for one, least in zip(leans, thresholds, strict=True)])
    return both & (np.sign(leans[0]) == np.sign(leans[1]))
