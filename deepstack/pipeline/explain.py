"""How a network came to its answers: attention over time, gates, and the episodes it recalled, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.candles.interval import interval_text
from deepstack.candles.market import Candles, Market, as_market
from deepstack.errors import ConfigError, DataError
from deepstack.evaluation.explained import explanation_figures
from deepstack.models import catalogue
from deepstack.models.inputs import finest_first
from deepstack.pipeline.episodes import ended
from deepstack.pipeline.predict import Predictor
from deepstack.pipeline.samples import part

RECALLED = "recalled"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the network looked at for some decisions.

    Attributes:
        answers: as `Predictor.predict` gives them, for these decisions.
        moments: symbol and decision_time of each.
        arrays: name → [decisions, …]: float32 `attention` [decisions, steps], oldest first, `gate` [decisions, parts],
            `timeframes` [decisions, timeframes], `recalled` [decisions, episodes, 2 + answers], numbers and shares
            first, with datetime64[s] `recalled_end` [decisions, episodes], NaT where nothing was recalled.
        parts: name → what the columns of `gate` and `timeframes` are called.
    """

    answers: pd.DataFrame
    moments: pd.DataFrame
    arrays: Mapping[str, np.ndarray]
    parts: Mapping[str, tuple[str, ...]]

    def figures(self) -> dict[str, Figure]:
        """A drawing of each array, by name."""
        return explanation_figures(self.moments, self.arrays, self.parts)


def explain(predictor: Predictor, candles: Market | Candles, *, last: int = 50) -> Explanation:
    """What the network looked at for the newest decisions.

    Args:
        predictor: of a model whose catalogue line says what explains it.
        candles: one symbol's or a market's.
        last: how many decisions.

    Raises:
        ConfigError: a model that shows nothing of the kind.
        DataError: as `Predictor.predict`.
    """
    config = predictor.artifact.config
    layers = catalogue.line_of(config.model).explains
    if not layers:
        able = ", ".join(name for name, entry in catalogue.MODELS.items() if entry.explains)
        raise ConfigError(
            "model.name",
            expected="a model with attention, a gate or a memory to show",
            received=config.model.name,
            remedy=f"one of {able}",
        )
    market = as_market(candles)
    moments, inputs, _ = predictor.look(market)
    if moments.empty:
        raise DataError("candles", expected="a decision to explain", received="none", remedy="more candles")
    newest = np.arange(len(moments))[-last:]
    chosen = part(inputs, newest)
    moments = moments.iloc[newest].reset_index(drop=True)
    network = predictor.network
    arrays = {name: raw_outputs(up_to(network, layer), chosen) for name, layer in layers.items()}
    if RECALLED in arrays:
        arrays["recalled_end"] = ended(network, arrays[RECALLED][..., 0])
    bars = interval_text(next(iter(market.values())).interval)
    parts = {
        "gate": ("lstm", "transformer"),
        "timeframes": (bars, *finest_first(config.samples.timeframes)),
    }
    return Explanation(predictor.framed(moments, chosen, 0), moments, arrays, parts)
