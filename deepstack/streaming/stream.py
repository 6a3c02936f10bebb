"""Answers as candles close, from any asynchronous source of them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepstack.errors import DataError
from deepstack.pipeline.predict import Predictor
from deepstack.streaming.bar import Bar, require_closed, require_sound
from deepstack.streaming.desk import Desk
from deepstack.streaming.engine import Answer, Engine
from deepstack.streaming.lines import BarReader, HeaderError
from deepstack.streaming.panel import Panel
from deepstack.streaming.rules import Rules
from deepstack.streaming.state import load_state, save_state
from deepstack.streaming.tally import Tally

log = logging.getLogger("deepstack.stream")
Item = Bar | Mapping[str, Any] | tuple[str, str]
"""A bar, a row by column name, or a line of text with what messages call it."""


async def stream(
    predictor: Predictor,
    candles: AsyncIterable[Item],
    *,
    others: Sequence[Predictor] = (),
    fallback: Predictor | None = None,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    symbols: Sequence[str] = (),
    symbol: str | None = None,
    state: Path | str | None = None,
    tally: Tally | None = None,
    complain: Callable[[str], None] = log.warning,
) -> AsyncIterator[Answer]:
    """One answer a decision and output as bars close, the same as `predictor.predict` on all of them at once.

    Late, repeated, revised, missing and malformed bars are handled as docs/streaming.md says, and counted. Answers are
    worked out in a thread, so the event loop stays free. With `state`, what an answer rests on is on disk before the
    answer is given: after a kill no bar is answered twice.

    Args:
        predictor: a loaded artifact.
        candles: bars as they close: `Bar`, rows by column name as in candle files, or (line, where) of JSON or CSV.
        others: artifacts of the same question, whose probabilities are averaged with its own.
        fallback: answers while the others fail or are late.
        rules: how long to wait, for what.
        symbols: the symbols to expect; none: those that come.
        symbol: of rows that name none.
        state: file to go on from and to keep.
        tally: counts and latencies, to look at meanwhile.
        complain: told of each malformed row.

    Yields:
        The columns of `Predictor.predict`, `decision_time` as ISO 8601; `model`, who answered; `fallback`, whether it
        stood in; `revised`, whether an earlier answer for this bar is void.

    Raises:
        ArtifactError: artifacts that answer different questions.
        DataError: candles that lack what a feature needs; a state file of another stream; a header without what
            candles have.
    """
    tally = Tally() if tally is None else tally
    simpler = None if fallback is None else Panel([fallback], rules, tally.count)
    desk = Desk(Panel([predictor, *others], rules, tally.count), simpler, rules, tally)
    engine = Engine(desk, tally, tuple(symbols))
    keeper = _Keeper(engine, None if state is None else Path(state))
    reader = BarReader(desk.columns, desk.step_ms, symbol)
    await asyncio.to_thread(desk.warm)
    source, coming = aiter(candles), None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(source))
            if not coming.done():
                await asyncio.sleep(0)
            if not coming.done() and keeper.changed:
                await asyncio.to_thread(keeper.keep)
            done, _ = await asyncio.wait({coming}, timeout=engine.waits_s(time.monotonic(), rules.wait_s))
            started = time.monotonic()
            if done:
                item, coming = coming.result(), None
                if item is None:
                    break
                answers = await asyncio.to_thread(_take, engine, reader, item, complain)
            else:
                answers = await asyncio.to_thread(engine.due, started, rules.wait_s)
            keeper.changed = True
            for answer in await asyncio.to_thread(keeper.given, answers, started):
                yield answer
        await asyncio.to_thread(keeper.keep)
        # With a state file the stream goes on another time, and so does the wait.
        for answer in await asyncio.to_thread(engine.release) if state is None else ():
            yield answer
    finally:
        if coming is not None:
            coming.cancel()


class _Keeper:
    """Keeps the engine's state on disk: before any answer is given, and whenever no bar is waiting."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.engine, self.path, self.changed = engine, path, False
        if path is not None:
            load_state(engine, path, time.monotonic())

    def keep(self) -> None:
        if self.changed and self.path is not None:
            save_state(self.engine, self.path)
        self.changed = False

    def given(self, answers: list[Answer], started_s: float) -> list[Answer]:
        if answers:
            self.keep()
            self.engine.tally.took(time.monotonic() - started_s)
        return answers


async def _next(source: AsyncIterator[Item]) -> Item | None:
    return await anext(source, None)


def _take(engine: Engine, reader: BarReader, item: Item, complain: Callable[[str], None]) -> list[Answer]:
    """Answers that an item makes possible; a malformed one is counted, told and passed over."""
    try:
        bar = _read(engine, reader, item)
        if bar is None:
            return []
        engine.tally.count("bars")
        engine.require_grid(bar)
        require_closed(bar, engine.desk.step_ms, time.time())
    except HeaderError:
        raise
    except DataError as error:
        engine.tally.count("malformed")
        told, where = str(error), item[1] if isinstance(item, tuple) else ""
        complain(told if where in told else f"{where}, {told}")
        return []
    return engine.take(bar, time.monotonic())


def _read(engine: Engine, reader: BarReader, item: Item) -> Bar | None:
    if isinstance(item, Bar):
        require_sound(item, engine.desk.columns, engine.desk.step_ms)
        return item
    if isinstance(item, Mapping):
        return reader.row(item, "row")
    return reader.line(*item)
