"""A failing or slow main model hands over to the simpler one, and comes back."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pandas as pd
import pytest

from deepstack.errors import ConfigError
from deepstack.streaming.breaker import Breaker
from deepstack.streaming.desk import Desk
from deepstack.streaming.panel import Panel
from deepstack.streaming.rules import Rules
from deepstack.streaming.tally import Tally


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_and_tries_again() -> None:
    breaker = Breaker(limit=3, retry_s=30.0)
    assert [breaker.failed(0.0), breaker.failed(1.0)] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(t) for t in (2.0, 3.0, 4.0)] == [False, False, True]
    assert (breaker.allows(33.9), breaker.allows(34.0)) == (False, True)
    assert breaker.failed(34.0)  # the trial
    assert (breaker.allows(63.9), breaker.allows(64.0)) == (False, True)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows(64.0)


@pytest.fixture
def asked(predictor: Callable[[str], Any], gappy: Any) -> dict[str, Any]:
    """One moment at which there is something to answer."""
    market = gappy(560)
    since = predictor("bar").predict(market)["decision_time"].iloc[-1]
    market = {name: type(one)(name, one.interval, one.frame.loc[:since]) for name, one in market.items()}
    return {"market": market, "moments": predictor("bar").decisions(market, since), "since": since}


def test_the_fallback_answers_until_the_main_model_has_recovered(
    predictor: Callable[[str], Any], asked: dict[str, Any]
) -> None:
    clock, tally = Clock(), Tally()
    main, simple = Panel([predictor("bar")]), Panel([predictor("wide")])
    desk = Desk(main, simple, Rules(deadline_ms=100.0, failures=3, retry_s=30.0), tally, clock)

    def who() -> tuple[str, bool]:
        answered = desk.answer(**asked)
        assert answered is not None
        wanted = (simple if answered.fallback else main).answer(**asked)
        pd.testing.assert_frame_equal(answered.table, wanted)
        return answered.model, answered.fallback

    assert who() == (main.name, False)
    whole, calls = main.answer, []

    def slow(*arguments: Any) -> pd.DataFrame:
        calls.append("slow")
        clock.now += 0.2
        return whole(*arguments)

    def broken(*_: Any) -> pd.DataFrame:
        calls.append("broken")
        raise RuntimeError("out of memory")

    with mock.patch.object(main, "answer", slow):
        found = [desk.answer(**asked) for _ in range(5)]
    assert [one.fallback for one in found if one is not None] == [False, False, False, True, True]
    assert calls == ["slow"] * 3
    clock.now += 30.0
    with mock.patch.object(main, "answer", broken):
        assert [one.model for _ in range(2) if (one := desk.answer(**asked))] == [simple.name] * 2
    assert calls == ["slow"] * 3 + ["broken"]  # half open: one trial
    clock.now += 30.0
    assert who() == (main.name, False)
    assert tally.counts == {"main_late": 3, "main_failures": 1, "breaker_opened": 2, "fallback_answers": 4}


def test_a_single_exception_is_answered_by_the_fallback_at_once(
    predictor: Callable[[str], Any], asked: dict[str, Any]
) -> None:
    main = Panel([predictor("bar")])
    desk = Desk(main, Panel([predictor("wide")]), Rules(), Tally(), Clock())
    with mock.patch.object(main, "answer", side_effect=RuntimeError("once")):
        first = desk.answer(**asked)
    second = desk.answer(**asked)
    assert first is not None and second is not None
    assert (first.fallback, second.fallback) == (True, False)


def test_without_a_fallback_a_failure_ends_the_stream(predictor: Callable[[str], Any], asked: dict[str, Any]) -> None:
    main = Panel([predictor("bar")])
    with mock.patch.object(main, "answer", side_effect=RuntimeError("broken")), pytest.raises(RuntimeError):
        Desk(main, None, Rules(), Tally()).answer(**asked)
    with pytest.raises(ConfigError, match="--deadline-ms: expected a fallback"):
        Desk(main, None, Rules(deadline_ms=5.0), Tally())
