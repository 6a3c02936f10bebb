"""A window against the plain way of keeping bars: a dict, sorted, cut."""

import numpy as np
import pytest

from deepstack.errors import DataError
from deepstack.streaming.bar import Bar
from deepstack.streaming.window import Placed, Window

STEP, SPAN = 60_000, 60_000 * 40
COLUMNS = ("open", "high", "low", "close", "volume")


def bar(number: int, value: float = 1.0) -> Bar:
    return Bar("X", number * STEP, (value,) * 5)


def test_whatever_comes_the_window_holds_the_last_span_in_order() -> None:
    rng, window, plain = np.random.default_rng(0), Window("X", STEP, SPAN, COLUMNS), dict[int, float]()
    newest, longest = 1000, 0
    for _ in range(4000):
        number = newest + int(rng.choice([1, 1, 1, 2, 0, -3, -17, -39, -40, -90]))
        value = float(rng.integers(1, 3))
        before = dict(plain)
        placed = window.place(bar(number, value))
        first = not before
        if first or number > max(before):
            assert placed is Placed.NEW
        elif number in before:
            same, is_newest = before[number] == value, number == max(before)
            assert placed is (Placed.DUPLICATE if same else Placed.REVISED if is_newest else Placed.AMENDED)
        else:
            assert placed is (Placed.FILLED if number > max(before) - 40 else Placed.DROPPED)
        if placed is not Placed.DROPPED:
            plain[number] = value
        newest = max(plain)
        plain = {n: v for n, v in sorted(plain.items()) if n > newest - 40}
        assert window.times.tolist() == [n * STEP for n in plain]
        assert window.values[:, 0].tolist() == list(plain.values())
        longest = max(longest, len(window._times))
    assert longest <= 256  # rows held do not grow with the stream


def test_candles_end_at_the_moment_asked_for() -> None:
    window = Window("X", STEP, SPAN, COLUMNS)
    for number in (1, 2, 4):
        window.place(bar(number, number))
    candles = window.candles(2 * STEP)
    assert candles.frame["close"].tolist() == [1.0, 2.0]
    window.place(bar(2, 9.0))
    assert candles.frame["close"].tolist() == [1.0, 2.0]  # a copy
    assert window.has(4 * STEP)
    assert not window.has(3 * STEP)
    with pytest.raises(DataError, match="whole steps of 60 s"):
        window.require_grid(Bar("X", 4 * STEP + 1000, (1.0,) * 5))
