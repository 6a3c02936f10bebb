"""Every window's state, joined from windows of 1, 2, 4, … values in an order fixed by the window's length alone.

log2(n) vectorised passes give any statistic whose value for two neighbouring windows together follows from its values
for each: sums, extremes, falls, and means with central moments by the pairwise formulas of Chan, Golub & LeVeque (1979)
and Pébay (2008). Nothing is ever subtracted to leave a window, so no rounding of departed values remains: a window
gives the same bits wherever it lies, and a constant one has variance exactly 0.
"""

from collections.abc import Callable

import numpy as np

State = tuple[np.ndarray, ...]
"""Arrays whose last axis is time."""

Join = Callable[[State, State, int, int], State]
"""(older window, newer window, values in the older, values in the newer) → both windows together."""


def fold(state: State, n: int, join: Join) -> State:
    """The joined state of every full window of n values; […, bars - n + 1], empty when there is none."""
    if state[0].shape[-1] < n:
        return tuple(a[..., :0] for a in state)
    block, size = state, 1
    result, done = state, 0
    while True:
        if n & size:
            result = block if done == 0 else _joined(block, result, size, done, join)
            done += size
        if size * 2 > n:
            return result
        block = _joined(block, block, size, size, join)
        size *= 2


def _joined(older: State, newer: State, older_size: int, newer_size: int, join: Join) -> State:
    count = newer[0].shape[-1] - older_size
    if len(newer) == 1:  # sums and averages, most of all calls: serving one bar is all call overhead
        past: State = (older[0][..., :count],)
        present: State = (newer[0][..., older_size:],)
    else:
        past, present = tuple([a[..., :count] for a in older]), tuple([a[..., older_size:] for a in newer])
    return join(past, present, older_size, newer_size)


def pad(x: np.ndarray, bars: int) -> np.ndarray:
    """x behind as many NaN as make its last axis `bars` long."""
    out = np.empty((*x.shape[:-1], bars))
    head = bars - x.shape[-1]
    out[..., :head] = np.nan
    out[..., head:] = x
    return out


def join_total(a: State, b: State, _n: int, _m: int) -> State:
    """State: sum."""
    return (a[0] + b[0],)


def join_mean(a: State, b: State, n: int, m: int) -> State:
    """State: mean; that of equal values is exactly their value."""
    if n == m:
        return ((a[0] + b[0]) * 0.5,)
    return (a[0] + (b[0] - a[0]) * (m / (n + m)),)


def join_variance(a: State, b: State, n: int, m: int) -> State:
    """State: mean, sum of squared deviations."""
    gap = b[0] - a[0]
    step = gap * (m / (n + m))
    return a[0] + step, a[1] + b[1] + gap * step * n


def join_covariance(a: State, b: State, n: int, m: int) -> State:
    """State: means of x and y, sums of deviations x², y², x y."""
    gap_x, gap_y = b[0] - a[0], b[1] - a[1]
    step_x, step_y = gap_x * (m / (n + m)), gap_y * (m / (n + m))
    weighed_x = step_x * n
    return (
        a[0] + step_x,
        a[1] + step_y,
        a[2] + b[2] + gap_x * weighed_x,
        a[3] + b[3] + gap_y * step_y * n,
        a[4] + b[4] + gap_y * weighed_x,
    )


def join_trend(a: State, b: State, n: int, m: int) -> State:
    """State: mean, sum of products with time; the centres of the two windows lie (n + m) / 2 bars apart."""
    gap = b[0] - a[0]
    return a[0] + gap * (m / (n + m)), a[1] + b[1] + gap * (0.5 * n * m)


def join_line(a: State, b: State, n: int, m: int) -> State:
    """State: mean, sum of squared deviations, sum of products with time."""
    gap = b[0] - a[0]
    step = gap * (m / (n + m))
    return a[0] + step, a[1] + b[1] + gap * step * n, a[2] + b[2] + gap * (0.5 * n * m)


def join_third(a: State, b: State, n: int, m: int) -> State:
    """State: mean, second and third central sums (Pébay 2008, equation 2.1)."""
    gap = b[0] - a[0]
    step = gap / (n + m)
    square = gap * step * (n * m)
    third = a[2] + b[2] + step * (square * (n - m) + 3.0 * (n * b[1] - m * a[1]))
    return a[0] + step * m, a[1] + b[1] + square, third


def join_fourth(a: State, b: State, n: int, m: int) -> State:
    """State: mean, second to fourth central sums (Pébay 2008, equations 2.1 and 2.2)."""
    mean, second, third = join_third(a[:3], b[:3], n, m)
    gap = b[0] - a[0]
    step = gap / (n + m)
    inner = gap * step * (n * m * (n * n - n * m + m * m) / (n + m)) + 6.0 * (n * n * b[1] + m * m * a[1]) / (n + m)
    fourth = a[3] + b[3] + step * (gap * inner + 4.0 * (n * b[2] - m * a[2]))
    return mean, second, third, fourth
