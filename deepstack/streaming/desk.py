"""Who answers: the main panel, or the simpler one while the main one fails or is late."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial

import pandas as pd

from deepstack.aside import aside
from deepstack.candles.market import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Market
from deepstack.errors import ConfigError, TooFewError
from deepstack.features.catalogue import EVERYTHING
from deepstack.pipeline.predict import Predictor
from deepstack.pipeline.trailing import trailing_span
from deepstack.streaming.breaker import Breaker
from deepstack.streaming.panel import Panel, require_same_question
from deepstack.streaming.rules import Rules
from deepstack.streaming.tally import Tally

log = logging.getLogger("deepstack.stream")


@dataclass(frozen=True, eq=False)
class Answered:
    """A table of answers and who gave it."""

    table: pd.DataFrame
    model: str
    fallback: bool


class _LateError(Exception):
    """The deadline has passed."""


class Desk:
    """The models behind a stream.

    Args:
        main: whose answers are wanted; the first member's decisions are asked.
        fallback: answers while `main` cannot; None lets a failure of `main` end the stream.
        rules: deadline, failures in a row, rest.
        tally: where failures are counted.
        clock: seconds, monotonic.

    Raises:
        ArtifactError: the fallback answers another question.
        ConfigError: a deadline without a fallback.
    """

    def __init__(
        self,
        main: Panel,
        fallback: Panel | None,
        rules: Rules,
        tally: Tally,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if fallback is None and rules.deadline_ms is not None:
            raise ConfigError(
                "--deadline-ms", expected="a fallback that answers instead", received="none", remedy="--fallback"
            )
        if fallback is not None:
            require_same_question(main.members[0].artifact, fallback.members[0].artifact)
        self.main, self.fallback, self.rules, self.tally = main, fallback, rules, tally
        self._clock, self._breaker = clock, Breaker(rules.failures, rules.retry_s)
        self._asked: Future[Answered | None] | None = None

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """Every model that may answer."""
        return self.main.members + (self.fallback.members if self.fallback is not None else ())

    @property
    def step_ms(self) -> int:
        """Bar interval."""
        return round(1000 * self.main.members[0].artifact.manifest.data["interval_s"])

    @property
    def span_ms(self) -> int:
        """Length of time before a decision whose candles fix every model's answer."""
        return max(trailing_span(one.artifact) // pd.Timedelta(1, "ms") for one in self.predictors)

    @property
    def needs(self) -> frozenset[str]:
        """What the features need beyond OHLCV: optional columns, and `peers`."""
        names = {name for one in self.predictors for name in one.artifact.features}
        return frozenset(need for name in names for need in EVERYTHING[name].needs)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a bar must carry."""
        return REQUIRED_COLUMNS + tuple(name for name in OPTIONAL_COLUMNS if name in self.needs)

    def warm(self) -> None:
        """Compile every model before the first bar waits for it."""
        for panel in (self.main, self.fallback):
            if panel is not None:
                panel.warm()

    def decisions(self, market: Market, since: pd.Timestamp) -> pd.DataFrame:
        """What is asked in a market from `since` on."""
        return self.main.members[0].decisions(market, since)

    def answer(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp) -> Answered | None:
        """Answers at moments of one time; None while the candles are too few."""
        if self.fallback is None:
            return _answered(self.main, market, moments, since, fallback=False)
        if self._asked is not None and not self._asked.done():
            self.tally.count("main_busy")
        elif self._breaker.allows(self._clock()):
            try:
                answered = self._in_time(market, moments, since)
            except _LateError:
                self.tally.count("main_late")
                self._failed(f"no answer in {self.rules.deadline_ms:g} ms")
            except Exception as error:  # noqa: BLE001 - whatever a model dies of, the fallback is there for it
                self.tally.count("main_failures")
                self._failed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            else:
                if answered is not None:
                    self._spoke()
                return answered
        answered = _answered(self.fallback, market, moments, since, fallback=True)
        if answered is not None:
            self.tally.count("fallback_answers", len(answered.table))
        return answered

    def _in_time(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp) -> Answered | None:
        """The main model's answer; where there is a deadline, by a thread that is left alone once it has passed."""
        ask = partial(_answered, self.main, market, moments, since, fallback=False)
        if self.rules.deadline_ms is None:
            return ask()
        self._asked = aside(ask)
        if not wait([self._asked], self.rules.deadline_ms / 1000.0).done:
            raise _LateError
        return self._asked.result()

    def _spoke(self) -> None:
        if self._breaker.is_open:
            log.warning("%s has recovered", self.main.name)
        self._breaker.succeeded()

    def _failed(self, what: str) -> None:
        log.warning("%s: %s", self.main.name, what)
        if self._breaker.failed(self._clock()) and self.fallback is not None:
            self.tally.count("breaker_opened")
            log.warning("%s answers for at least %g s", self.fallback.name, self.rules.retry_s)


def _answered(
    panel: Panel, market: Market, moments: pd.DataFrame, since: pd.Timestamp, *, fallback: bool
) -> Answered | None:
    try:
        return Answered(panel.answer(market, moments, since), panel.name, fallback)
    except TooFewError:
        return None
