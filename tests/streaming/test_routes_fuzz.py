"""Whatever is sent to the product's routes, it is refused as the sender's fault; DEEPSTACK_FUZZ asks more of it."""

import http.client
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running_server import Running, running

from deepstack.candles.market import Market
from deepstack.pipeline.predict import Predictor
from deepstack.streaming.routes import DeepLearning, make_routes

REQUESTS = int(os.environ.get("DEEPSTACK_FUZZ", "400"))
ROUTES = ("predictions", "forecasts", "outcomes")

words = st.text(max_size=12)
plain = st.none() | st.booleans() | st.integers() | st.floats() | words
trees = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)
times = st.one_of(st.integers(), st.floats(), words, st.datetimes().map(lambda time: time.isoformat() + "Z"))
bars = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["SYN01", "SYN02", ""]) | trees,
        "close_time": times,
        **{name: st.floats() | st.integers(-3, 3) | trees for name in ("open", "high", "low", "close", "volume")},
    }
)
asked = st.fixed_dictionaries(
    {"candles": st.lists(bars, max_size=5) | trees},
    optional={
        name: trees
        for name in ("all", "symbol", "paths", "bars", "horizon_bars", "seed", "quantiles", "temperature", "more")
    },
)
outcome = st.fixed_dictionaries(
    {}, optional={name: trees for name in ("id", "symbol", "decision_time", "horizon", "outcome", "won", "net_r")}
)
bodies = st.one_of(trees, asked, outcome, st.lists(outcome, max_size=3))


@pytest.fixture(scope="module")
def served(predictor: Callable[[str], Predictor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("fuzzed")
    (place / "models").mkdir()
    product = DeepLearning(predictor("decoder"), place / "record.jsonl")
    with running(place / "models", more=make_routes(product)) as one:
        yield one


def posted(link: http.client.HTTPConnection, route: str, data: bytes) -> tuple[int, Any]:
    link.request("POST", f"/{route}/deep_learning", data)
    answer = link.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.slow
def test_no_body_makes_the_product_fail(served: Running, gappy: Callable[[int], Market]) -> None:
    link = http.client.HTTPConnection(served.rest.removeprefix("http://"), timeout=60)

    @settings(
        max_examples=REQUESTS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(body=bodies | st.binary(max_size=200), route=st.sampled_from(ROUTES))
    def ask(body: Any, route: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, tree = posted(link, route, data)
        assert status < 500, (route, data, tree)
        assert status == 200 or isinstance(tree.get("error"), str), (route, data, tree)

    ask()
    rows = [
        {"symbol": name, "close_time": time.isoformat(), **{k: float(v) for k, v in row.items()}}
        for name, candles in gappy(900).items()
        for time, row in candles.frame.iterrows()
    ]
    status, tree = posted(link, "predictions", json.dumps({"candles": rows}).encode())
    assert status == 200 and tree["predictions"], tree
