"""One artifact, or several whose probabilities are averaged, answering at moments of a market."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.candles.interval import interval_text
from deepstack.candles.market import Market
from deepstack.errors import ArtifactError
from deepstack.pipeline.predict import Looked, Predictor


class Panel:
    """Answers by the mean of its members' probabilities, at the first one's decisions and threshold.

    Args:
        members: one or more, of the same question.

    Raises:
        ArtifactError: they ask different questions.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.members = tuple(members)
        for other in self.members[1:]:
            require_same_question(self.members[0].artifact, other.artifact)

    @property
    def name(self) -> str:
        """Names of the artifacts, joined by +."""
        return "+".join(member.artifact.folder.resolve().name for member in self.members)

    def warm(self) -> None:
        """Answer once for zeros, so that no answer waits for a compiler."""
        for member in self.members:
            shapes = {tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in member.network.inputs}
            member.probabilities(shapes)

    def answer(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
        """The table of `Predictor.predict` for those of the moments that every member can see.

        Each moment is asked by itself, so that no new size of batch is compiled while a bar waits. Of several members
        `aleatoric` is left out: variances about different means have no plain mean.

        Args:
            market: trailing candles, nothing later than the moments.
            moments: of one time, a symbol at most once.
            since: that time.

        Raises:
            TooFewError: a member can see none of the symbols yet.
        """
        looked = [member.look_at(market, moments, since) for member in self.members]
        if len(looked) == 1:
            known, inputs, _ = looked[0]
            parts = [
                self.members[0].framed(
                    known.iloc[[i]], {name: values[np.array([i])] for name, values in inputs.items()}
                )
                for i in range(len(known))
            ]
            return pd.concat(parts, ignore_index=True) if parts else self.members[0].framed(known, inputs)
        common = [symbol for symbol in moments["symbol"] if all(symbol in set(known["symbol"]) for known, *_ in looked)]
        asked = moments[moments["symbol"].isin(common)].reset_index(drop=True)
        votes = [_probabilities(member, seen, common) for member, seen in zip(self.members, looked, strict=True)]
        return self.members[0].tabled(asked, np.mean(votes, axis=0))


def _probabilities(member: Predictor, looked: Looked, symbols: Sequence[str]) -> np.ndarray:
    """float64 [symbols, outputs, classes]."""
    known, inputs, _ = looked
    row_of = {symbol: row for row, symbol in enumerate(known["symbol"])}
    rows = [
        member.probabilities({name: values[np.array([row_of[symbol]])] for name, values in inputs.items()})
        for symbol in symbols
    ]
    return np.concatenate([np.empty((0, len(member.head.names), 3 - (member.head.kind == "binary"))), *rows])


def require_same_question(first: Artifact, other: Artifact) -> None:
    """Refuse artifacts whose answers cannot stand for each other.

    Raises:
        ArtifactError: names the first difference: bar interval, labels' kind or horizons.
    """
    for what, one, two in zip(("bars of", "labels.kind", "horizons"), _question(first), _question(other), strict=True):
        if one != two:
            raise ArtifactError(
                str(other.folder),
                expected=f"{what} {one} as in {first.folder}",
                received=two,
                remedy="artifacts that answer the same question on the same bars",
            )


def _question(artifact: Artifact) -> tuple[str, str, str]:
    labels = artifact.config.labels
    asked = ", ".join(labels.horizons.lengths) if labels.kind == "horizons" else "none"
    return interval_text(pd.Timedelta(artifact.manifest.data["interval_s"], "s")), labels.kind, asked
