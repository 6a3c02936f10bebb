"""One artifact, or several whose probabilities are averaged, answering at moments of a market."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.artifact.stepper import AttentionStepper, steps_alone
from deepstack.candles.interval import interval_text
from deepstack.candles.market import Market
from deepstack.errors import ArtifactError
from deepstack.models.inputs import BASE
from deepstack.pipeline.predict import Looked, Predictor
from deepstack.streaming.attention_cache import AttentionCache
from deepstack.streaming.rules import Rules


class Panel:
    """Answers by the mean of its members' probabilities, at the first one's decisions and threshold.

    Args:
        members: one or more, of the same question.
        rules: size and age of the `AttentionCache` of each member that can have one.
        count: told `attention_kept` or `attention_read` with every answer of such a member.

    Raises:
        ArtifactError: they ask different questions.
    """

    def __init__(
        self,
        members: Sequence[Predictor],
        rules: Rules = Rules(),  # noqa: B008 - frozen
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.members, self._rules, self._count = tuple(members), rules, count
        self._caches: dict[int, AttentionCache | None] = {}
        for other in self.members[1:]:
            require_same_question(self.members[0].artifact, other.artifact)

    @property
    def name(self) -> str:
        """Names of the artifacts, joined by +."""
        return "+".join(member.artifact.folder.resolve().name for member in self.members)

    def warm(self) -> None:
        """Answer once for zeros, so that no answer waits for a compiler."""
        for number, member in enumerate(self.members):
            zeros = {tensor.name: np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in member.network.inputs}
            cache = self._cache(number)
            member.decoded(member.raw(zeros) if cache is None else cache.stepper.read(zeros[BASE]).outputs)

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
        common = [symbol for symbol in moments["symbol"] if all(symbol in set(known["symbol"]) for known, *_ in looked)]
        asked = moments[moments["symbol"].isin(common)].reset_index(drop=True)
        raws = [self._raw(number, seen, common, since) for number, seen in enumerate(looked)]
        if len(raws) == 1:
            return self.members[0].answered(asked, raws[0])
        votes = [member.decoded(raw) for member, raw in zip(self.members, raws, strict=True)]
        return self.members[0].tabled(asked, np.mean(votes, axis=0))

    def _raw(self, number: int, looked: Looked, symbols: Sequence[str], moment: pd.Timestamp) -> np.ndarray:
        """A member's own outputs, float32 [symbols, …]."""
        member, (known, inputs, _) = self.members[number], looked
        row_of = {symbol: row for row, symbol in enumerate(known["symbol"])}
        cache, rows = self._cache(number), []
        for symbol in symbols:
            one = {name: values[np.array([row_of[symbol]])] for name, values in inputs.items()}
            moment_ms = moment.value // 1_000_000
            rows.append(member.raw(one) if cache is None else cache.answer(symbol, moment_ms, one[BASE][0]))
        none = np.zeros(0, np.int64)
        return np.concatenate(rows) if rows else member.raw({name: values[none] for name, values in inputs.items()})

    def _cache(self, number: int) -> AttentionCache | None:
        if number not in self._caches:
            member, size = self.members[number], self._rules.attention_symbols
            step_ms = round(1000 * member.artifact.manifest.data["interval_s"])
            self._caches[number] = (
                AttentionCache(AttentionStepper(member.network), size, self._rules.attention_s, step_ms, self._count)
                if size and steps_alone(member.network)
                else None
            )
        return self._caches[number]


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
