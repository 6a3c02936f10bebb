"""What models look at, and under which names and shapes it reaches them."""

from collections.abc import Iterable, Sequence
from typing import Literal

from deepstack.candles.interval import interval_text, parse_interval

Sees = Literal["bar", "window", "timeframes"]
"""One bar's features; a window of bars; a window in each of several timeframes of the same market."""

BASE = "features"
"""Name of the input in the market's own interval, unscaled for a client, scaled for a network."""

WHEN = "decision_s"
"""Name of the input that says when: int32 [batch, 1], seconds of the decision since 2000-01-01 UTC."""


def input_of(timeframe: str) -> str:
    """Name of the input of a coarser timeframe: `features_5min`, however the config spells it."""
    return f"{BASE}_{interval_text(parse_interval(timeframe, 'samples.timeframes'))}"


def finest_first(timeframes: Sequence[str]) -> tuple[str, ...]:
    """Timeframes from the finest to the coarsest, in whatever order a config lists them.

    Raises:
        DataError: one that is no interval.
    """
    return tuple(sorted(timeframes, key=lambda text: parse_interval(text, "samples.timeframes")))


def inputs_of(names: Iterable[str], sees: Sees, *, when: bool) -> tuple[str, ...]:
    """Which of an ensemble's inputs a member looks at; a member of one bar looks at the newest of the window.

    Args:
        names: of the ensemble's inputs.
        sees: what the member looks at.
        when: whether it asks for the time of the decision.
    """
    return tuple(name for name in names if (when if name == WHEN else name == BASE or sees == "timeframes"))


def input_shapes(
    sees: Sees, features: int, window_bars: int, timeframes: Sequence[str] = (), *, when: bool = False
) -> dict[str, tuple[int, ...]]:
    """Input name → shape without the batch axis, the market's own interval first, then the others, finest first.

    Keras finds weights in a file by the order in which a model's layers were made, which is that of its inputs: it may
    not depend on who calls.

    Args:
        sees: what the model looks at.
        features: columns of each input.
        window_bars: rows of each window.
        timeframes: the coarser ones, in any order.
        when: whether the model asks for the time of the decision.
    """
    shape = (features,) if sees == "bar" else (window_bars, features)
    shapes: dict[str, tuple[int, ...]] = {name: shape for name in (BASE, *map(input_of, finest_first(timeframes)))}
    return shapes | ({WHEN: (1,)} if when else {})
