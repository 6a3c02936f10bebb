"""Candles in, decisions out over HTTP, what then happened, and how well the two agree."""

import json
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from deepstack.artifact.stepper import stepper_of
from deepstack.candles.market import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Candles, Market
from deepstack.candles.times import close_index
from deepstack.errors import DataError, DeepstackError
from deepstack.labels.labelled import CLASSES_OF
from deepstack.pipeline.forecast import forecast, require_generative
from deepstack.pipeline.predict import Predictor
from deepstack.serving.server.body import read_body
from deepstack.serving.server.refusal import Refusal, invalid
from deepstack.streaming.bar import Bar, require_closed, require_grid
from deepstack.streaming.generator import DrawingError, Generator
from deepstack.streaming.lines import BarReader
from deepstack.streaming.places import BusyError, Places
from deepstack.streaming.record import Record

MOST_BYTES = 64 * 1024 * 1024
MOST_BARS, MOST_PATHS, MOST_DRAWN, MOST_FLOATS = 1000, 10_000, 250_000, 10_000_000
"""Of a forecast: bars, paths, bars on all paths, and numbers drawn for them, a feature each."""
FORECASTS = 80
"""Threads of forecasts, more than the generator has places, so that who finds none hears of it."""
AT_WORK, WAITING = 2, 14
"""Predictions: each takes a processor, and memory many times its request's."""
PLACE = "deep_learning"


class DeepLearning:
    """One artifact behind the routes.

    Args:
        predictor: the artifact.
        record: file of answers and outcomes; None keeps them in memory alone.
    """

    def __init__(self, predictor: Predictor, record: Path | None = None) -> None:
        self.predictor = predictor
        self._lock = Lock()
        self._generator: Generator | None = None
        config = predictor.artifact.config
        self.record = Record(record, predictor.head.names, CLASSES_OF[config.labels.kind])

    def warm(self) -> None:
        """Compile what one decision and what several take, so that the first client does not wait for it."""
        inputs = self.predictor.network.inputs
        for rows in (1, 2):
            self.predictor.raw({one.name: np.zeros((rows, *one.shape[1:]), one.dtype) for one in inputs})

    def predictions(self, body: Any) -> dict[str, Any]:
        """The newest decision of each symbol in the candles.

        Args:
            body: `candles`, a list of objects with `symbol`, `open_time` or `close_time`, and prices, as in candle
                files; or a list of lists in Binance's kline order, with `symbol` beside. `all: true` answers for every
                decision.

        Returns:
            `model`, and `predictions`, one object a decision and output: `symbol decision_time`, probabilities,
            `prediction`, `confidence`, `decision` and `suggested_size`; the mean `confidence`; and `as_of`, symbol →
            close of its newest candle: an older `decision_time` means that nothing was asked or seen there.

        Raises:
            DataError: candles that cannot be used.
        """
        started = time.perf_counter()
        market = self._market(_candles_in(body), _symbol_in(body))
        table = self.predictor.predict(market)
        if not body.get("all"):
            newest = table.groupby("symbol")["decision_time"].transform("max")
            table = table[table["decision_time"] == newest]
        table = table.rename(columns={"position": "suggested_size"})
        rows = [_plain(row) for row in table.to_dict("records")]
        self.record.answered(rows, 1e3 * (time.perf_counter() - started))
        confidence = float(np.mean([row["confidence"] for row in rows])) if rows else None
        as_of = {name: candles.frame.index[-1].isoformat() for name, candles in market.items()}
        model = self.predictor.artifact.folder.name
        return {"model": model, "predictions": rows, "confidence": confidence, "as_of": as_of}

    @property
    def generator(self) -> Generator:
        """Draws the paths of all forecasts; made at the first."""
        with self._lock:
            if self._generator is None:
                self._generator = Generator(stepper_of(self.predictor.network))
            return self._generator

    def forecasts(self, body: Any) -> dict[str, Any]:
        """Quantiles of the log return from the last close to each coming bar; many clients' paths are drawn together.

        Args:
            body: `candles` as in `predictions`; `bars` to come (12), at most 1,000, and `paths` (256), at most 10,000,
                and no more than 250,000 bars on all paths, 10 million over the features; `symbol`, whose.

        Returns:
            `model symbol decision_time`, and `quantiles`, one object a coming bar: `close_time`, `q0.05` to `q0.95`.

        Raises:
            DataError: candles that cannot be used, or too much asked.
            ConfigError: an artifact that foresees nothing.
            BusyError: too many ask at the same time.
        """
        candles, symbol = _candles_in(body), _symbol_in(body)
        bars, paths = (_count(body, *limits) for limits in (("bars", 12, MOST_BARS), ("paths", 256, MOST_PATHS)))
        require_generative(self.predictor.artifact)
        most = min(MOST_DRAWN, MOST_FLOATS // len(self.predictor.artifact.features))
        if bars * paths > most:
            received = f"{bars} × {paths}"
            raise DataError("bars × paths", expected=f"{most:,} at most", received=received, remedy="fewer")
        with self.generator.places.one():
            market = self._market(candles, symbol)
            found = forecast(self.predictor, market, symbol, bars=bars, paths=paths, sample=self.generator)
        rows = [_plain(row) for row in found.quantiles().reset_index().to_dict("records")]
        moment = found.decision_time.isoformat()
        model = self.predictor.artifact.folder.name
        return {"model": model, "symbol": found.symbol, "decision_time": moment, "quantiles": rows}

    def _market(self, candles: list[Any], symbol: str | None) -> Market:
        artifact = self.predictor.artifact
        step_ms = int(1000 * artifact.manifest.data["interval_s"])
        first = candles[0]
        more = [c for c in OPTIONAL_COLUMNS if isinstance(first, dict) and c in first]
        columns = (*REQUIRED_COLUMNS, *more)
        reader = BarReader(columns, step_ms, symbol)
        bars: dict[str, dict[int, Bar]] = {}
        for number, row in enumerate(candles):
            place = f"candles[{number}]"
            bar = reader.row(row, place) if isinstance(row, dict) else reader.line(json.dumps(row), place)
            if bar is not None:
                require_closed(bar, step_ms, time.time())
                known = bars.setdefault(bar.symbol, {})
                _require_fitting(bar, known, step_ms, place)
                known[bar.close_ms] = bar
        market = {}
        for name, known in bars.items():
            times = np.array(sorted(known), np.int64)
            values = np.array([known[time_ms].values for time_ms in times.tolist()])
            frame = pd.DataFrame(values, close_index(times), columns)
            market[name] = Candles(name, pd.Timedelta(step_ms, "ms"), frame)
        return market


def make_routes(deep: DeepLearning, most_bytes: int = MOST_BYTES) -> APIRouter:
    """`POST /predictions/…`, `/forecasts/…` and `/outcomes/deep_learning`, `GET /metrics/deep_learning`.

    Args:
        deep: what answers.
        most_bytes: of a request.
    """
    router = APIRouter()
    reply = partial(_answered, most_bytes=most_bytes)
    # Threads of their own: neither waits for the other, and outcomes for none.
    at_work, drawing = CapacityLimiter(AT_WORK), CapacityLimiter(FORECASTS)
    places = Places("predictions", AT_WORK + WAITING)

    @router.post(f"/predictions/{PLACE}")
    async def predictions(request: Request) -> Response:
        return await reply(request, deep.predictions, at_work, places.one)

    @router.post(f"/forecasts/{PLACE}")
    async def forecasts(request: Request) -> Response:
        return await reply(request, deep.forecasts, drawing)

    @router.post(f"/outcomes/{PLACE}")
    async def outcomes(request: Request) -> Response:
        return await reply(request, lambda body: deep.record.happened(_outcomes_in(body)))

    @router.get(f"/metrics/{PLACE}")
    async def metrics() -> Response:
        return JSONResponse(deep.record.metrics())

    return router


async def _answered(
    request: Request,
    answer: Callable[[Any], Any],
    limiter: CapacityLimiter | None = None,
    place: Callable[[], AbstractContextManager[None]] = nullcontext,
    *,
    most_bytes: int,
) -> Response:
    try:
        body = await read_body(request, most_bytes)
        with place():  # a body that waits is not parsed yet: that takes many times its room
            return JSONResponse(await to_thread.run_sync(lambda: answer(_parsed(body)), limiter=limiter))
    except Refusal as refusal:
        return JSONResponse({"error": str(refusal)}, refusal.http)
    except DeepstackError as error:
        code = 429 if isinstance(error, BusyError) else 500 if isinstance(error, DrawingError) else 400
        return JSONResponse({"error": " ".join(str(error).split())}, code)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {str(error)[:100]}") from error


def _require_fitting(bar: Bar, known: dict[int, Bar], step_ms: int, place: str) -> None:
    """Refuse a second content of a bar, and one off the grid of its symbol's others: their order would decide."""
    if known:
        require_grid(bar, next(iter(known)), step_ms, place)
    if known.get(bar.close_ms, bar) != bar:
        raise DataError(
            place,
            expected="each bar once",
            received=f"another content for {bar.symbol} {bar.close_time.isoformat()}",
            remedy="sending the right one alone",
        )


def _candles_in(body: Any) -> list[Any]:
    if not isinstance(body, dict) or not isinstance(body.get("candles"), list) or not body["candles"]:
        raise DataError(
            "body", expected="an object with `candles`, a list of some", received=str(body)[:60], remedy="sending one"
        )
    return list(body["candles"])


def _symbol_in(body: dict[str, Any]) -> str | None:
    symbol = body.get("symbol")
    if symbol is not None and not isinstance(symbol, str):
        raise DataError("symbol", expected="text", received=repr(symbol)[:60], remedy='a name in quotes, as "BTCUSDT"')
    return symbol


def _count(body: dict[str, Any], name: str, default: int, most: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise DataError(
            name, expected=f"a whole number from 1 to {most:,}", received=repr(value)[:60], remedy="one of these"
        )
    return value


def _outcomes_in(body: Any) -> Any:
    return body.get("outcomes") if isinstance(body, dict) else body


def _plain(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """A row in types that JSON has; times as ISO 8601."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, pd.Timestamp):
            found[str(key)] = value.isoformat()
        elif isinstance(value, np.generic):
            found[str(key)] = value.item()
        else:
            found[str(key)] = value
    return found
