"""Bars in, answers out: windows kept, moments closed, each decision answered once. No clock and no input of its own."""

from typing import Any

import pandas as pd

from deepstack.candles.market import Market
from deepstack.streaming.bar import Bar
from deepstack.streaming.desk import Desk
from deepstack.streaming.tally import Tally
from deepstack.streaming.window import Placed, Window

LATE_BARS = 64
"""A bar that closed so many bars before the market's newest is still answered where features look at other symbols."""

Answer = dict[str, Any]


class Engine:
    """The state of a stream.

    Where no feature looks at other symbols a bar is answered at once. Else a moment, the close of the newest bars, is
    answered when every known symbol has delivered it, when a newer bar comes, or when it is due.

    Args:
        desk: the models.
        tally: where bars and answers are counted.
        symbols: the symbols to expect, others are left out; none: those that have come.

    Attributes:
        windows: symbol → trailing bars.
        pending_ms: the moment that waits for other symbols; None when none does.
        spoke_ms: symbol → newest moment that an answer was given for.
    """

    def __init__(self, desk: Desk, tally: Tally, symbols: tuple[str, ...] = ()) -> None:
        self.desk, self.tally, self.symbols = desk, tally, symbols
        self.windows: dict[str, Window] = {}
        self.pending_ms: int | None = None
        self.spoke_ms: dict[str, int] = {}
        self._waiting_since_s = 0.0
        self._together = "peers" in desk.needs
        self._step_ms, self._columns = desk.step_ms, desk.columns
        self._span_ms = desk.span_ms + LATE_BARS * self._step_ms
        for symbol in symbols:
            self.window(symbol)

    def take(self, bar: Bar, now_s: float) -> list[Answer]:
        """Take a bar in; the answers that it makes possible.

        Raises:
            DataError: the candles lack what a feature needs.
        """
        if self.symbols and bar.symbol not in self.symbols:
            self.tally.count("other_symbol")
            return []
        window = self.window(bar.symbol)
        before = window.newest_ms
        placed = window.place(bar)
        self.tally.count(placed.value)
        if placed is Placed.NEW:
            if before is not None and bar.close_ms - before > self._step_ms:
                self.tally.count("missing", (bar.close_ms - before) // self._step_ms - 1)
            return self._closed(bar, now_s)
        if placed is Placed.REVISED and bar.close_ms != self.pending_ms:
            return self._answer(bar.close_ms, [bar.symbol], revised=True)
        return []

    def require_grid(self, bar: Bar) -> None:
        """Refuse a bar off its symbol's grid, before it is taken.

        Raises:
            DataError: it is.
        """
        if bar.symbol in self.windows:
            self.windows[bar.symbol].require_grid(bar)

    def due(self, now_s: float, wait_s: float) -> list[Answer]:
        """Answers of a moment that has waited `wait_s`."""
        left = self.waits_s(now_s, wait_s)
        return self.release() if left is not None and left <= 0.0 else []

    def waits_s(self, now_s: float, wait_s: float) -> float | None:
        """Seconds until a moment is due; None when none waits."""
        return None if self.pending_ms is None else max(self._waiting_since_s + wait_s - now_s, 0.0)

    def release(self) -> list[Answer]:
        """Answers of the moment that waits, without the symbols that have not delivered it."""
        if self.pending_ms is None:
            return []
        moment, self.pending_ms = self.pending_ms, None
        return self._answer(moment, [name for name, window in self.windows.items() if window.has(moment)])

    def restart_waiting(self, moment_ms: int | None, now_s: float) -> None:
        """Let a moment of an earlier process wait again, from now on."""
        self.pending_ms, self._waiting_since_s = moment_ms, now_s

    def window(self, symbol: str) -> Window:
        """The trailing bars of a symbol, none at first."""
        if symbol not in self.windows:
            window = Window(symbol, self._step_ms, self._span_ms, self._columns)
            # In order of name, as files are read: a sum over peers is rounded by its order.
            self.windows = dict(sorted({**self.windows, symbol: window}.items()))
        return self.windows[symbol]

    def _closed(self, bar: Bar, now_s: float) -> list[Answer]:
        """A symbol's newest bar has come."""
        if not self._together:
            return self._answer(bar.close_ms, [bar.symbol])
        newest = max(window.newest_ms or 0 for window in self.windows.values())
        if bar.close_ms < newest or (self.pending_ms is None and self._is_settled(bar)):
            self.tally.count("behind")
            return self._answer(bar.close_ms, [bar.symbol])
        answers: list[Answer] = []
        if bar.close_ms != self.pending_ms:
            answers = self.release()
            self.pending_ms, self._waiting_since_s = bar.close_ms, now_s
        if all(window.newest_ms == bar.close_ms for window in self.windows.values()):
            answers += self.release()
        return answers

    def _is_settled(self, bar: Bar) -> bool:
        """Whether the bar's moment has been answered without it."""
        return any(w.newest_ms == bar.close_ms for name, w in self.windows.items() if name != bar.symbol)

    def _answer(self, moment_ms: int, symbols: list[str], *, revised: bool = False) -> list[Answer]:
        """Answers of symbols whose bar closed at a moment; none where nothing is asked or the features are unknown."""
        known = {name: window.newest_ms or 0 for name, window in self.windows.items()}
        if self._together and moment_ms < max(known.values()) - LATE_BARS * self._step_ms:
            self.tally.count("too_late")
            return []
        seen = self.windows if self._together else symbols
        market: Market = {name: self.windows[name].candles(moment_ms) for name in seen}
        moment = pd.Timestamp(moment_ms, unit="ms", tz="UTC")
        moments = self.desk.decisions({name: market[name] for name in symbols}, moment)
        answered = self.desk.answer(market, moments, moment) if len(moments) else None
        rows = 0 if answered is None else answered.table["symbol"].nunique()
        self.tally.count("unseen", len(moments) - rows)
        spoken = set(answered.table["symbol"]) if answered is not None else set()
        if revised and not spoken and self.spoke_ms.get(symbols[0]) == moment_ms:
            self.tally.count("withdrawn")
        self.spoke_ms.update(dict.fromkeys(spoken, moment_ms))
        if answered is None:
            return []
        self.tally.count("answers", len(answered.table))
        told = {"model": answered.model, "fallback": answered.fallback, "revised": revised}
        return [
            {str(name): _plain(value) for name, value in row.items()} | told
            for row in answered.table.to_dict(orient="records")
        ]


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
