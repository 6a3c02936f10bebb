"""Candles in, decisions out over HTTP; what then happened is held against what was said."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from running_server import Running, running

from deepstack.artifact.stepper import stepper_of
from deepstack.candles.market import Market
from deepstack.errors import ConfigError, DataError
from deepstack.pipeline.forecast import forecast
from deepstack.pipeline.generation import Wish
from deepstack.pipeline.predict import Predictor
from deepstack.streaming import routes
from deepstack.streaming.generator import DrawingError, Generator
from deepstack.streaming.record import Record
from deepstack.streaming.routes import DeepLearning, make_routes


@pytest.fixture(scope="module")
def deep(predictor: Callable[[str], Predictor]) -> Predictor:
    return predictor("bar")


@pytest.fixture(scope="module")
def market(gappy: Callable[[int], Market]) -> Market:
    return gappy(900)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("product")


@pytest.fixture(scope="module")
def served(deep: Predictor, place: Path) -> Iterator[Running]:
    (place / "models").mkdir()
    with running(place / "models", more=make_routes(DeepLearning(deep, place / "record.jsonl"))) as one:
        yield one


def call(served: Running, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(served.rest + path, data), timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def rows_of(market: Market) -> list[dict[str, Any]]:
    return [
        {"symbol": name, "close_time": time.isoformat(), **{k: float(v) for k, v in row.items()}}
        for name, candles in market.items()
        for time, row in candles.frame.iterrows()
    ]


def test_it_answers_as_predict_does_and_learns_what_happened(served: Running, deep: Predictor, market: Market) -> None:
    table = deep.predict(market)
    code, found = call(served, "/predictions/deep_learning", {"candles": rows_of(market), "all": True})
    assert code == 200 and len(found["predictions"]) == len(table)
    for row, (_, expected) in zip(found["predictions"], table.iterrows(), strict=True):
        assert row["probability"] == pytest.approx(expected["probability"], abs=1e-6)
        assert row["decision_time"] == expected["decision_time"].isoformat()
        assert row["suggested_size"] == pytest.approx(expected["position"], abs=1e-5)
    code, newest = call(served, "/predictions/deep_learning", {"candles": rows_of(market)})
    assert {row["symbol"] for row in newest["predictions"]} <= set(market)
    assert newest["predictions"][-1] == found["predictions"][-1]
    told = found["predictions"][:10]
    outcomes = [
        {"symbol": row["symbol"], "decision_time": row["decision_time"], "side": row["side"], "outcome": outcome}
        for row, outcome in zip(told, ["won", "lost"] * 5, strict=True)
    ]
    right = sum(row["prediction"] == one["outcome"] for row, one in zip(told, outcomes, strict=True))
    code, answer = call(served, "/outcomes/deep_learning", {"outcomes": [*outcomes, outcomes[0] | {"symbol": "NONE"}]})
    assert (code, answer) == (200, {"matched": 10, "unknown": 1})
    code, metrics = call(served, "/metrics/deep_learning")
    assert code == 200 and metrics["model_accuracy"] == pytest.approx(right / 10)
    assert metrics["outcomes"] == 10 and metrics["prediction_latency"]["p99_ms"] > 0.0
    assert 0.5 <= metrics["model_confidence"] <= 1.0


def test_a_second_content_or_a_bar_off_the_grid_is_refused_whatever_the_order(served: Running, market: Market) -> None:
    rows = rows_of(market)
    last = rows[-1]
    again, other = dict(last), last | {"volume": last["volume"] + 1.0}
    moved = last | {"close_time": (pd.Timestamp(last["close_time"]) - pd.Timedelta("17s")).isoformat()}
    ask = "/predictions/deep_learning"
    assert call(served, ask, {"candles": [*rows, again]})[0] == 200
    for body in ([*rows, other], [*rows[:-1], other, last], [*rows, moved]):
        code, found = call(served, ask, {"candles": body})
        assert code == 400 and ("each bar once" in found["error"] or "whole steps of 60 s" in found["error"])


def test_many_clients_forecasts_are_drawn_together(
    predictor: Callable[[str], Predictor], market: Market, tmp_path: Path
) -> None:
    decoder, market = (
        predictor("decoder"),
        {name: replace(c, frame=c.frame.iloc[455:855]) for name, c in market.items()},
    )
    wishes = [{"symbol": name, "bars": bars, "paths": paths} for name in market for bars, paths in ((3, 64), (9, 300))]
    with running(tmp_path, more=make_routes(DeepLearning(decoder))) as served, ThreadPoolExecutor(4) as clients:
        bodies = [{"candles": rows_of(market), **wish} for wish in wishes]
        answers = list(clients.map(lambda body: call(served, "/forecasts/deep_learning", body), bodies))
        for wish, (code, found) in zip(wishes, answers, strict=True):
            assert code == 200, found
            wanted = forecast(decoder, market, **wish)
            quantiles = pd.DataFrame(found["quantiles"]).set_index("close_time")
            np.testing.assert_allclose(quantiles, wanted.quantiles(), atol=1e-6)
            assert (found["symbol"], found["decision_time"]) == (wanted.symbol, wanted.decision_time.isoformat())
        assert call(served, "/forecasts/deep_learning", bodies[0] | {"bars": 10**6})[0] == 400


def test_what_is_too_much_is_refused_before_any_work(predictor: Callable[[str], Predictor], tmp_path: Path) -> None:
    deep = DeepLearning(predictor("decoder"))
    with pytest.raises(DataError, match="250,000 at most, received 1000 × 10000"):
        deep.forecasts({"candles": [{}], "bars": 1000, "paths": 10_000})
    with patch.object(routes, "MOST_FLOATS", 6000), pytest.raises(DataError, match="1,000 at most, received 10 × 101"):
        deep.forecasts({"candles": [{}], "bars": 10, "paths": 101})
    with ExitStack() as places:
        for _ in range(64):
            places.enter_context(deep.generator.places.one())
        with running(tmp_path, more=make_routes(deep)) as served:
            code, found = call(served, "/forecasts/deep_learning", {"candles": [{}]})
        assert (code, "64 at a time" in found["error"]) == (429, True)
    with pytest.raises(ConfigError, match="transformer_decoder"):
        DeepLearning(predictor("bar")).forecasts({"candles": [{}]})


def test_predictions_beyond_those_at_work_and_waiting_are_refused(deep: Predictor, tmp_path: Path) -> None:
    one, gate, lock, at_work, most = DeepLearning(deep), Event(), Lock(), 0, 0

    def slow(body: Any) -> dict[str, Any]:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        gate.wait(60)
        with lock:
            at_work -= 1
        return body

    with (
        patch.object(one, "predictions", slow),
        running(tmp_path, more=make_routes(one)) as served,
        ThreadPoolExecutor(20) as clients,
    ):
        try:
            asked = [clients.submit(call, served, "/predictions/deep_learning", {"number": k}) for k in range(20)]
            refused = [future.result() for future in islice(as_completed(asked, timeout=30), 4)]
        finally:
            gate.set()
        assert all(code == 429 and "16 at a time" in found["error"] for code, found in refused)
        assert [future.result()[0] for future in asked].count(200) == 16
        assert most == 2
        assert call(served, "/predictions/deep_learning", {}) == (200, {})  # all places are free again


def test_who_waits_hears_that_the_network_failed(predictor: Callable[[str], Predictor], market: Market) -> None:
    decoder = predictor("decoder")
    generator = Generator(stepper_of(decoder.network))
    wish = Wish(np.zeros((3, 2), np.float32), np.zeros((2, 4, 6), np.float32))  # a window of another shape
    with pytest.raises(DrawingError, match="received"):
        generator(wish)
    market = {name: replace(candles, frame=candles.frame.iloc[455:855]) for name, candles in market.items()}
    assert np.isfinite(forecast(decoder, market, bars=2, paths=4, sample=generator).paths).all()


def test_an_outcome_told_twice_counts_once_and_the_record_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    record = Record(path, ("won",), ("lost", "won"))
    row = {"symbol": "A", "decision_time": "t", "side": 1, "prediction": "won", "confidence": 0.6}
    record.answered([row], 1.0)
    outcome = {"symbol": "A", "decision_time": "t", "side": 1, "outcome": "won"}
    assert record.happened([outcome, outcome]) == {"matched": 1, "unknown": 1}
    path.write_text(path.read_text() + '{"answer": ["cut')
    again = Record(path, ("won",), ("lost", "won"))
    again.answered([row | {"decision_time": "u"}], 1.0)
    assert Record(path, ("won",), ("lost", "won")).metrics() == again.metrics()


def test_what_was_recorded_survives_a_restart(served: Running, deep: Predictor, place: Path) -> None:
    before = call(served, "/metrics/deep_learning")[1]
    with (place / "record.jsonl").open("a") as file:
        file.write('{"answer": ["cut')
    assert DeepLearning(deep, place / "record.jsonl").record.metrics() == before


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("predictions", b"{", "JSON"),
        ("predictions", {}, "candles"),
        ("predictions", {"candles": []}, "candles"),
        ("predictions", {"candles": [{"symbol": "A", "close": 1}]}, "candles[0]"),
        ("predictions", {"candles": [{"symbol": "SYN01", "close_time": 1.7e12, "open": "x"}]}, "candles[0]"),
        ("forecasts", {"candles": []}, "candles"),
        ("forecasts", {"candles": [{}], "paths": "many"}, "paths"),
        ("outcomes", {"outcomes": 3}, "list"),
        ("outcomes", {"outcomes": [{"symbol": "SYN01"}]}, "decision_time"),
        ("outcomes", {"outcomes": [{"symbol": "A", "decision_time": "x", "outcome": "maybe"}]}, "won"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(served: Running, path: str, body: Any, words: str) -> None:
    code, answer = call(served, f"/{path}/deep_learning", body)
    assert code == 400 and words in answer["error"] and "\n" not in answer["error"]
