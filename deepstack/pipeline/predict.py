"""A finished artifact at work in Python: candles in, probabilities, decisions, uncertainty and position sizes out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact, open_artifact
from deepstack.artifact.model import compiled_for_one, load_network, raw_outputs
from deepstack.candles.market import Candles, Market, as_market
from deepstack.errors import DataError
from deepstack.features.table import make_table
from deepstack.labels.labelled import CLASSES_OF, decision_rows
from deepstack.models import catalogue
from deepstack.models.heads import Head, head_of
from deepstack.pipeline.inputs import Seen, Tables, see
from deepstack.pipeline.position import lean, position_size
from deepstack.pipeline.trailing import asked_bars, recent
from deepstack.pipeline.uncertainty import epistemic
from deepstack.samples.scaled import scale_in_place
from deepstack.samples.windows import Windows

Inputs = Mapping[str, np.ndarray | Windows]
Looked = tuple[pd.DataFrame, dict[str, np.ndarray | Windows], int]
"""Moments, scaled inputs of them, and the count of those that cannot be seen."""


def load(artifact: Path | str, tables: Tables = make_table) -> "Predictor":
    """Open a finished artifact to predict with it; every file is verified first.

    Args:
        artifact: its folder.
        tables: works the features out; a `FeatureCache` remembers them.

    Raises:
        ArtifactError: it is incomplete or altered.
        ConfigError: its model is not in the catalogue; one of your own must be registered first.
    """
    opened = open_artifact(Path(artifact))
    catalogue.line_of(opened.config.model)
    return Predictor(opened, tables)


def predict(artifact: Path, market: Market, *, mc_passes: int = 0) -> pd.DataFrame:
    """`load(artifact).predict(market)`."""
    return load(artifact).predict(market, mc_passes=mc_passes)


@dataclass(frozen=True, eq=False)
class Predictor:
    """A verified artifact and its network.

    Attributes:
        artifact: what was opened.
        tables: works the features out.
    """

    artifact: Artifact
    tables: Tables = make_table

    @cached_property
    def network(self) -> keras.Model:
        """Built at the first prediction."""
        return load_network(self.artifact)

    @cached_property
    def _for_one(self) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        return compiled_for_one(self.network)

    @property
    def head(self) -> Head:
        """What the network's outputs mean."""
        return head_of(self.artifact.config.labels, self.artifact.config.model)

    def predict(self, candles: Market | Candles, *, mc_passes: int = 0) -> pd.DataFrame:
        """Answer at every decision in the candles, the last bar's included.

        Args:
            candles: one symbol's or a market's, of the interval the artifact was trained on.
            mc_passes: forward passes with dropout on that estimate the epistemic uncertainty; 0 leaves it out.

        Returns:
            One row a decision, and output where there are several: `symbol decision_time`, `side` of a breakout or
            `horizon`; `probability` of winning, or those of `sell hold buy`; the likeliest class as `prediction` and
            its probability as `confidence`; where asked for `aleatoric`, the outcome's variance in R², and `epistemic`,
            deviation of P(won), or P(buy) − P(sell), between passes; `decision` at the artifact's threshold and the
            `position` it suggests, see `position_size`.

        Raises:
            DataError: no candles, those of another interval, too few, or lacking what a feature needs.
        """
        return self.predict_and_count(candles, mc_passes=mc_passes)[0]

    def predict_and_count(self, candles: Market | Candles, *, mc_passes: int = 0) -> tuple[pd.DataFrame, int]:
        """`predict`, and the count of decisions that see a warm-up or a gap, where features are not known."""
        moments, inputs, unseen = self.look(candles)
        return self.framed(moments, inputs, mc_passes), unseen

    def predict_windows(self, inputs: Inputs | np.ndarray, *, mc_passes: int = 0) -> pd.DataFrame:
        """Answer for unscaled features that the caller holds: one sample `[…]` or a batch `[samples, …]`.

        Args:
            inputs: as the SavedModel takes them: name → array, or the array of `features` alone.
            mc_passes: as in `predict`.

        Raises:
            DataError: an input is missing, unknown, not finite, or of another shape or count than the others.
        """
        named = inputs if isinstance(inputs, Mapping) else {"features": inputs}
        expected_names = [tensor.name for tensor in self.network.inputs]
        if set(named) != set(expected_names):
            raise DataError(
                "inputs", expected=", ".join(expected_names), received=", ".join(named) or "none", remedy="those names"
            )
        scaled = {}
        for tensor in self.network.inputs:
            values = np.array(named[tensor.name], dtype=tensor.dtype)  # a copy: scaling overwrites
            expected = tuple(tensor.shape[1:])
            values = values[None] if values.shape == expected else values
            if values.shape[1:] != expected:
                raise DataError(
                    tensor.name,
                    expected=f"an array of {expected} or [samples, {', '.join(map(str, expected))}]",
                    received=f"{values.shape}",
                    remedy="features in the order of the artifact's feature list",
                )
            _require_finite(tensor.name, values)
            scaled[tensor.name] = values
        rows = {name: len(values) for name, values in scaled.items()}
        if len(set(rows.values())) > 1:
            raise DataError("inputs", expected="as many samples in each", received=str(rows), remedy="the same samples")
        return self.framed(pd.DataFrame(index=range(len(values))), self.scale(scaled), mc_passes)

    def look(self, candles: Market | Candles, since: pd.Timestamp | None = None) -> Looked:
        """Every decision that can be made in the candles, with what the network sees of it.

        Args:
            candles: as in `predict`.
            since: leave earlier decisions out; the trailing candles that later ones see are enough then.

        Returns:
            Moments, one row a decision: `symbol decision_time`, and `side` of a breakout. Scaled inputs by name:
            float32 [decisions, features], or Windows [decisions, bars, features], which an index array
            cuts, and `decision_s`. The count of decisions that see a warm-up or a gap, which are left out.

        Raises:
            DataError: as `predict`.
        """
        market = as_market(candles)
        return self.look_at(market, self.decisions(market, since), since)

    def decisions(self, market: Market, since: pd.Timestamp | None = None) -> pd.DataFrame:
        """Every decision in a market, known features or not, from `since` on: `symbol decision_time`, maybe `side`.

        Raises:
            DataError: candles of another interval than the artifact's.
        """
        check_interval(self.artifact, market)
        labels = self.artifact.config.labels
        asked = [decision_rows(one, labels) for one in recent(market, since, asked_bars(labels)).values()]
        moments = pd.concat(asked)
        if since is not None:
            moments = moments[moments["decision_time"] >= since]
        return moments.sort_values(["decision_time", "symbol"], kind="stable", ignore_index=True)

    def look_at(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp | None = None) -> Looked:
        """`look` at these moments, frame of `symbol decision_time`, sorted so; none is earlier than `since`."""
        seen = self.see(market, moments, since)
        return moments[seen.known].reset_index(drop=True), self.scale(seen.inputs), int((~seen.known).sum())

    def see(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp | None = None) -> Seen:
        """What `look_at` scales."""
        config, names = self.artifact.config, self.artifact.features
        entry = catalogue.line_of(config.model)
        return see(
            market, moments, entry, config.features, config.samples, names=names, since=since, tables=self.tables
        )

    def scale(self, inputs: Inputs) -> dict[str, np.ndarray | Windows]:
        """Unscaled inputs as the network was trained on them; matrices are overwritten."""
        every, scalers = range(len(self.artifact.features)), self.artifact.scalers
        return {
            name: scale_in_place(values, every, scalers[name]) if name in scalers else values
            for name, values in inputs.items()
        }

    def uncalibrated(self, inputs: Inputs) -> np.ndarray:
        """Class probabilities of scaled inputs, corrected alone: of validation, without what was fitted there."""
        offset = self.head.prior_offset(self.artifact.priors)
        return np.array(self.head.probabilities(self.raw(inputs).astype(np.float64), offset))

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Class probabilities of scaled inputs, corrected and calibrated: float64 [samples, outputs, classes]."""
        return self.decoded(self.raw(inputs))

    def raw(self, inputs: Inputs) -> np.ndarray:
        """The network's own outputs for scaled inputs, float32 [samples, …]."""
        count = len(next(iter(inputs.values())))
        if count == 0:
            return np.empty((0, len(self.head.names), self.head.logits + self.head.aleatoric), np.float32)
        if count == 1:
            return self._for_one({name: values[np.zeros(1, np.int64)] for name, values in inputs.items()})
        return raw_outputs(self.network, inputs)

    def decoded(self, raw: np.ndarray) -> np.ndarray:
        """`probabilities` of the network's own outputs, float32 [samples, …]."""
        offset = self.head.prior_offset(self.artifact.priors)
        probability = np.array(self.head.probabilities(raw.astype(np.float64), offset))
        for output, calibration in enumerate(self.artifact.calibrations):
            probability[:, output] = calibration(probability[:, output])
        return probability

    def _lean(self, raw: np.ndarray) -> np.ndarray:
        """P(won), or P(buy) − P(sell): float64 [samples, outputs]."""
        return lean(self.decoded(raw))

    def framed(self, moments: pd.DataFrame, inputs: Inputs, mc_passes: int = 0) -> pd.DataFrame:
        """The table of `predict` for moments and scaled inputs as `look` gives them, all of them or chosen rows."""
        raw = self.raw(inputs)
        doubt = epistemic(self.artifact, inputs, self._lean, mc_passes) if mc_passes and len(raw) else None
        return self.answered(moments, raw, doubt)

    def answered(self, moments: pd.DataFrame, raw: np.ndarray, doubt: np.ndarray | None = None) -> pd.DataFrame:
        """The table of `predict` for the network's own outputs, float32 [moments, …]; `doubt` as in `tabled`."""
        return self.tabled(moments, self.decoded(raw), self.head.split(raw)[1], doubt)

    def tabled(
        self,
        moments: pd.DataFrame,
        probability: np.ndarray,
        variance: np.ndarray | None = None,
        doubt: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """The table of `predict` for class probabilities, float64 [moments, outputs, classes].

        Args:
            moments: as `look` gives them.
            probability: as `probabilities` gives them.
            variance: of the outcome, R², [moments, outputs, 1]; None where it is not known.
            doubt: deviation of the lean between passes, [moments, outputs]; None where it is not known.
        """
        frames = []
        for k, output in enumerate(self.head.names):
            named = {} if len(self.head.names) == 1 and self.head.kind == "binary" else {"horizon": output}
            known = {
                "aleatoric": None if variance is None else np.asarray(variance)[:, k, 0],
                "epistemic": None if doubt is None else doubt[:, k],
            }
            frames.append(
                moments.assign(**named, **self._answers(probability[:, k], self.artifact.thresholds[k], known))
            )
        order = pd.concat(frames).sort_index(kind="stable")
        return order.reset_index(drop=True)

    def _answers(
        self, probability: np.ndarray, threshold: float, known: dict[str, np.ndarray | None]
    ) -> dict[str, np.ndarray]:
        """Columns of one output: probabilities, answer, confidence, uncertainty, decision, position."""
        uncertainty = {name: values for name, values in known.items() if values is not None}
        names = CLASSES_OF[self.artifact.config.labels.kind]
        position, decision = position_size(probability, threshold, **uncertainty)
        binary = len(names) == 2
        return {
            **({"probability": probability[:, 1]} if binary else dict(zip(names, probability.T, strict=True))),
            "prediction": np.array(names)[probability.argmax(axis=1)],
            "confidence": probability.max(axis=1),
            **uncertainty,
            "decision": decision,
            "position": position,
        }


def _require_finite(name: str, values: np.ndarray) -> None:
    known = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not known.all():
        raise DataError(
            name,
            expected="finite values",
            received=f"NaN or infinity in sample {int(np.argmin(known))}",
            remedy="leaving that sample out: its features are not known",
        )


def check_interval(opened: Artifact, market: Market) -> None:
    """Refuse candles of another bar interval than the artifact's.

    Raises:
        DataError: names both intervals.
    """
    expected = opened.manifest.data["interval_s"]
    received = next(iter(market.values())).interval.total_seconds()
    if received != expected:
        raise DataError(
            "candles",
            expected=f"bars of {expected:g} s, as the artifact was trained on",
            received=f"{received:g} s",
            remedy="candles of that interval, or training on these",
        )
