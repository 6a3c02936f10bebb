"""When a moment is answered, and for whom: a desk that answers everything, and no network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.candles.market import Market
from deepstack.errors import DataError
from deepstack.streaming.bar import Bar
from deepstack.streaming.desk import Answered
from deepstack.streaming.engine import LATE_BARS, Engine
from deepstack.streaming.state import load_state, save_state
from deepstack.streaming.tally import Tally

STEP = 60_000
COLUMNS = ("open", "high", "low", "close", "volume")


class Desk:
    """Asks at every bar and answers with what it sees: the last close of every symbol."""

    step_ms, span_ms, columns = STEP, 50 * STEP, COLUMNS

    def __init__(self, *needs: str) -> None:
        self.needs = frozenset(needs)

    def decisions(self, market: Market, since: pd.Timestamp) -> pd.DataFrame:
        asked = [(name, since) for name, one in market.items() if since in one.frame.index]
        return pd.DataFrame(asked, columns=["symbol", "decision_time"])

    def answer(self, market: Market, moments: pd.DataFrame, since: pd.Timestamp) -> Answered:
        assert all(one.frame.index.max() <= since for one in market.values() if len(one))
        closes = {name: one.frame["close"].get(since) for name, one in market.items()}
        seen = {name: None if close is None else float(close) for name, close in closes.items()}
        return Answered(moments.assign(seen=str(seen)), "desk", False)


def engine(*needs: str, symbols: tuple[str, ...] = ()) -> Engine:
    desk: Any = Desk(*needs)
    return Engine(desk, Tally(), symbols)


def bar(symbol: str, number: int, close: float = 1.0) -> Bar:
    return Bar(symbol, number * STEP, (close,) * 5)


def told(answers: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(a["symbol"], pd.Timestamp(a["decision_time"]).value // 10**6 // STEP, a["seen"]) for a in answers]


def test_without_a_look_at_others_every_bar_is_answered_at_once() -> None:
    one = engine()
    assert told(one.take(bar("B", 5), 0.0)) == [("B", 5, "{'B': 1.0}")]
    assert told(one.take(bar("A", 4), 0.0)) == [("A", 4, "{'A': 1.0}")]
    assert one.waits_s(0.0, 5.0) is None


def test_a_moment_waits_for_every_symbol_it_knows() -> None:
    one = engine("peers", symbols=("B", "A"))
    assert one.take(bar("B", 5, 2.0), 0.0) == []
    both = "{'A': 3.0, 'B': 2.0}"
    assert told(one.take(bar("A", 5, 3.0), 1.0)) == [("A", 5, both), ("B", 5, both)]
    assert one.take(bar("X", 5), 1.0) == []
    assert one.tally.counts["other_symbol"] == 1


def test_a_newer_bar_ends_the_wait_and_the_late_one_is_answered_alone() -> None:
    one = engine("peers", symbols=("A", "B"))
    one.take(bar("A", 5), 0.0)
    assert told(one.take(bar("A", 6, 2.0), 0.0)) == [("A", 5, "{'A': 1.0, 'B': None}")]
    assert told(one.take(bar("B", 5, 4.0), 0.0)) == [("B", 5, "{'A': 1.0, 'B': 4.0}")]  # as at that moment
    both = "{'A': 2.0, 'B': 7.0}"
    assert told(one.take(bar("B", 6, 7.0), 0.0)) == [("A", 6, both), ("B", 6, both)]
    assert one.tally.counts["behind"] == 1


def test_a_moment_that_is_due_is_answered_without_the_others() -> None:
    one = engine("peers", symbols=("A", "B"))
    one.take(bar("A", 5), 10.0)
    assert one.waits_s(11.0, 5.0) == pytest.approx(4.0)
    assert one.due(14.9, 5.0) == []
    assert [a["symbol"] for a in one.due(15.0, 5.0)] == ["A"]
    assert one.due(99.0, 5.0) == []
    assert [a["symbol"] for a in one.take(bar("B", 5), 99.0)] == ["B"]


def test_a_bar_far_behind_the_market_is_kept_but_not_answered() -> None:
    one = engine("peers", symbols=("A", "B"))
    one.take(bar("A", 500), 0.0)
    assert one.take(bar("B", 499 - LATE_BARS), 0.0) == []
    assert one.tally.counts["too_late"] == 1
    assert one.take(bar("B", 500 - LATE_BARS), 0.0)


def test_revised_amended_and_repeated_bars() -> None:
    one = engine("peers", symbols=("A", "B"))
    one.take(bar("A", 5), 0.0)
    assert one.take(bar("A", 5, 2.0), 0.0) == []  # nothing is said yet that this would correct
    assert told(one.take(bar("B", 5), 0.0))[0][2] == "{'A': 2.0, 'B': 1.0}"
    (again,) = one.take(bar("A", 5, 3.0), 0.0)
    assert (again["symbol"], again["revised"], again["seen"]) == ("A", True, "{'A': 3.0, 'B': 1.0}")
    assert one.take(bar("A", 5, 3.0), 0.0) == []
    for symbol in "AB":
        one.take(bar(symbol, 6), 0.0)
    assert one.take(bar("A", 5, 9.0), 0.0) == []
    assert one.windows["A"].values[0, 0] == 9.0
    counts = {name: one.tally.counts[name] for name in ("new", "revised", "duplicate", "amended")}
    assert counts == {"new": 4, "revised": 2, "duplicate": 1, "amended": 1}


def test_an_answer_that_a_revision_takes_back_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    one = engine()
    one.take(bar("A", 5), 0.0)
    monkeypatch.setattr(one.desk, "decisions", lambda *_: pd.DataFrame({"symbol": [], "decision_time": []}))
    assert one.take(bar("A", 5, 2.0), 0.0) == []
    assert one.tally.counts["withdrawn"] == 1


def test_state_carries_everything_over(tmp_path: Any) -> None:
    first, second = engine("peers"), engine("peers")
    assert not load_state(second, tmp_path / "state.npz", 0.0)
    for number in range(100):
        for symbol in "ABC":
            first.take(bar(symbol, number, 0.1 * number), 0.0)
    first.take(bar("A", 100), 0.0)
    save_state(first, tmp_path / "state.npz")
    assert load_state(second, tmp_path / "state.npz", 50.0)
    assert second.waits_s(51.0, 5.0) == pytest.approx(4.0)
    assert second.tally.counts == first.tally.counts
    assert second.spoke_ms == first.spoke_ms
    for one in (bar("A", 100), bar("B", 100, 2.0), bar("C", 100, 3.0), bar("B", 100, 4.0), bar("A", 101)):
        assert first.take(one, 60.0) == second.take(one, 60.0)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    other: Any = SimpleNamespace(step_ms=2 * STEP, span_ms=STEP, columns=COLUMNS, needs=frozenset())
    with pytest.raises(Exception, match="expected version, bar interval"):
        load_state(Engine(other, Tally()), tmp_path / "state.npz", 0.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("times_0", np.arange(100, 0, -1) * STEP),
        ("values_0", np.zeros((100, 4))),
        ("values_0", np.zeros((99, 5))),
        ("times_0", np.zeros(100, "datetime64[ms]")),
        ("about", np.frombuffer(b'{"schema_version": 1}', np.uint8)),
        ("about", np.frombuffer(b"[]", np.uint8)),
        ("about", np.array([object()], dtype=object)),
    ],
)
def test_a_state_that_is_damaged_is_refused_in_one_line(key: str, value: np.ndarray, tmp_path: Path) -> None:
    one = engine()
    for number in range(100):
        one.take(bar("A", number), 0.0)
    path = tmp_path / "state.npz"
    save_state(one, path)
    with np.load(path) as stored:
        kept = dict(stored)
    np.savez(path, **(kept | {key: value}))
    with pytest.raises(DataError, match="expected a file that `deepstack stream --state` wrote") as refused:
        load_state(engine(), path, 0.0)
    assert "\n" not in str(refused.value)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="expected a file that `deepstack stream --state` wrote"):
        load_state(engine(), path, 0.0)
    np.savez(path, **kept)
    for cut in (0, 10, 300, len(path.read_bytes()) - 10):
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DataError, match=r"state\.npz"):
            load_state(engine(), path, 0.0)
