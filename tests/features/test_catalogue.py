"""The catalogue's products of features, its memo, and the reference page."""

import numpy as np
import pytest

from deepstack.features import docs, interactions, polynomial
from deepstack.features.bars import Bars
from deepstack.features.catalogue import CHANNELS, FEATURES, GROUPS
from deepstack.features.feature import Feature


def test_interactions_are_products_of_catalogued_features(bars: Bars) -> None:
    for (a, b), feature in zip(interactions.PAIRS, interactions.FEATURES, strict=True):
        np.testing.assert_array_equal(feature.compute(bars)[420:], (a.compute(bars) * b.compute(bars))[420:])
        assert feature.lookback_bars == max(a.lookback_bars, b.lookback_bars)


def test_powers_are_of_bounded_features(bars: Bars) -> None:
    for core in polynomial.CORE:
        base = core.compute(bars)[420:]
        assert (np.abs(base) <= 1.0 + 1e-12).all(), core.name
        np.testing.assert_allclose(FEATURES[f"{core.name}_squared"].compute(bars)[420:], base**2, atol=1e-15)
        np.testing.assert_allclose(FEATURES[f"{core.name}_cubed"].compute(bars)[420:], base**3, atol=1e-15)


def test_a_feature_is_computed_once_a_run_and_its_series_cannot_be_written(bars: Bars) -> None:
    calls = []
    feature = Feature("counted", "", "", 1, lambda b: calls.append(1) or b.close * 2.0)  # type: ignore[func-returns-value]
    assert feature.on(bars) is feature.on(bars) and len(calls) == 1
    with pytest.raises(ValueError, match="read-only"):
        feature.on(bars)[0] = 0.0
    assert len(bars.part(slice(10, 20))) == 10
    feature.on(bars.part(slice(10, 20)))
    assert len(calls) == 2


def test_a_run_that_is_returned_as_it_came_stays_writable(bars: Bars) -> None:
    bars.once("same", lambda: bars.close)
    assert bars.close.flags.writeable


def test_the_page_names_every_feature_and_escapes_its_bars() -> None:
    page = docs.markdown()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) - len(CHANNELS) == len(FEATURES) == sum(map(len, GROUPS.values()))
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)
