"""Candles in, decisions out, where the network answers on a server and the features are worked out here."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from deepstack.candles.market import Candles, Market, as_market
from deepstack.pipeline.predict import Predictor, load
from deepstack.samples.windows import Windows
from deepstack.serving.client import Client, NotFoundError


class RemotePredictor:
    """`Predictor.predict` by a server, TensorFlow Serving or `deepstack serve`.

    Features, decisions, threshold and position size are worked out by the code that trained the artifact; the server is
    handed unscaled features and gives probabilities.

    Args:
        artifact: its folder, here; only its feature list, scalers and thresholds are read.
        client: of the server.
        model: served name; empty: the artifact's.
        version, label: which version; the newest by default.
        batch_rows: decisions a request.

    Raises:
        ArtifactError: it is incomplete or altered.
        ServerError: the server cannot be reached, or its model was trained on another feature list.
    """

    def __init__(
        self,
        artifact: Path | str,
        client: Client,
        *,
        model: str = "",
        version: int | None = None,
        label: str = "",
        batch_rows: int = 64,
    ) -> None:
        self.local: Predictor = load(artifact)
        self.client, self.batch_rows = client, batch_rows
        self.model = model or self.local.artifact.config.name
        self._version, self._label = version, label
        self._require_features()

    def predict(self, candles: Market | Candles) -> pd.DataFrame:
        """The table of `Predictor.predict`.

        Raises:
            DataError: as there.
            ServerError: the server refused, or nobody answered.
        """
        market = as_market(candles)
        moments = self.local.decisions(market)
        seen = self.local.see(market, moments)
        known = moments[seen.known].reset_index(drop=True)
        if known.empty:
            return self.local.answered(known, self.local.raw(seen.inputs))
        try:
            joined = self._asked(seen.inputs)
        except NotFoundError:  # of the newest, or a label's, the one before may leave between two parts
            if self._version is not None:
                raise
            joined = self._asked(seen.inputs)
        probability = joined["probability"].astype(np.float64)
        if self.local.head.kind == "binary":
            probability = np.stack([1.0 - probability, probability], axis=-1)[:, None]
        variance = np.reshape(joined["aleatoric"], (len(known), -1, 1)) if "aleatoric" in joined else None
        return self.local.tabled(known, probability, variance)

    def _asked(self, inputs: Mapping[str, np.ndarray | Windows]) -> dict[str, np.ndarray]:
        """The server's outputs for all rows, by one version of its model."""
        number, parts, count = self._require_features(), [], len(next(iter(inputs.values())))
        for start in range(0, count, self.batch_rows):
            rows = np.arange(start, min(start + self.batch_rows, count))
            part = {name: values[rows] for name, values in inputs.items()}
            parts.append(self.client.predict(self.model, part, version=number))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _require_features(self) -> int:
        """The version that is meant now; all parts of a table are asked of it."""
        features = self.local.artifact.features
        return self.client.require_features(self.model, features, version=self._version, label=self._label)
