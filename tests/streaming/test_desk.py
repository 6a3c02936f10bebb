"""A failing or slow main model hands over to the simpler one, and comes back."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from threading import Event
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
    desk = Desk(main, simple, Rules(deadline_ms=60_000.0, failures=3, retry_s=30.0), tally, clock)

    def who() -> tuple[str, bool]:
        answered = desk.answer(**asked)
        assert answered is not None
        wanted = (simple if answered.fallback else main).answer(**asked)
        pd.testing.assert_frame_equal(answered.table, wanted)
        return answered.model, answered.fallback

    assert who() == (main.name, False)
    calls = []

    def broken(*_: Any) -> pd.DataFrame:
        calls.append("broken")
        raise TimeoutError("of a device")

    with mock.patch.object(main, "answer", broken):
        found = [desk.answer(**asked) for _ in range(5)]
    assert [one.fallback for one in found if one is not None] == [True] * 5
    assert len(calls) == 3
    clock.now += 30.0
    with mock.patch.object(main, "answer", broken):
        assert [one.model for _ in range(2) if (one := desk.answer(**asked))] == [simple.name] * 2
    assert len(calls) == 4  # half open: one trial
    clock.now += 30.0
    assert who() == (main.name, False)
    assert tally.counts == {"main_failures": 4, "breaker_opened": 2, "fallback_answers": 7}


def test_a_main_model_that_hangs_is_left_alone_until_it_returns(
    predictor: Callable[[str], Any], asked: dict[str, Any]
) -> None:
    tally, hung, calls = Tally(), Event(), []
    main = Panel([predictor("bar")])
    desk = Desk(main, Panel([predictor("wide")]), Rules(deadline_ms=200.0, failures=3), tally)
    desk.warm()
    whole = main.answer

    def hang(*arguments: Any) -> pd.DataFrame:
        calls.append(arguments)
        hung.wait(60.0)
        return whole(*arguments)

    with mock.patch.object(main, "answer", hang):
        found = [desk.answer(**asked) for _ in range(5)]
    assert [one.fallback for one in found if one is not None] == [True] * 5
    assert len(calls) == 1
    assert tally.counts == {"main_late": 1, "main_busy": 4, "fallback_answers": 5}
    hung.set()
    assert desk._asked is not None and desk._asked.result(60.0) is not None
    with mock.patch.object(desk, "rules", Rules(deadline_ms=60_000.0)):
        answered = desk.answer(**asked)
    assert answered is not None and not answered.fallback
    pd.testing.assert_frame_equal(answered.table, main.answer(**asked))


def test_late_answers_open_the_breaker(predictor: Callable[[str], Any], asked: dict[str, Any]) -> None:
    tally = Tally()
    main = Panel([predictor("bar")])
    desk = Desk(main, Panel([predictor("wide")]), Rules(deadline_ms=10.0, failures=2), tally, Clock())
    with mock.patch.object(main, "answer", lambda *_: time.sleep(0.5)):
        for _ in range(4):
            desk.answer(**asked)
            assert desk._asked is not None and wait([desk._asked], 60.0).done
    assert tally.counts == {"main_late": 2, "breaker_opened": 1, "fallback_answers": 4}


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
