"""`deepstack stream` over a file, gzipped too, with other models beside the main one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepstack.cli.app import main
from deepstack.pipeline.feature_cache import FeatureCache


@pytest.fixture(scope="module")
def market(gappy: Callable[[int], Any]) -> Any:
    return gappy(600)


@pytest.fixture(scope="module")
def candles(market: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "candles.csv.gz"
    rows = pd.concat(one.frame.reset_index().assign(symbol=name) for name, one in market.items())
    rows.sort_values(["close_time", "symbol"]).to_csv(path, index=False)
    return path


def streamed(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["stream", *map(str, arguments)])
    assert ended.value.code == 0


def test_a_gzipped_file_is_answered_as_predict_answers(
    artifact: Callable[[str], Path],
    predictor: Callable[[str], Any],
    candles: Path,
    market: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    streamed(artifact("bar"), "--data", candles)
    out, err = capsys.readouterr()
    found = pd.DataFrame(map(json.loads, out.splitlines())).sort_values(["decision_time", "symbol"])
    wanted = predictor("bar").predict(market).sort_values(["decision_time", "symbol"])
    np.testing.assert_allclose(found["probability"], wanted["probability"], atol=1e-6)
    assert "p99" in err and "missing " in err


@pytest.mark.slow
def test_others_are_averaged_and_share_the_features(
    artifact: Callable[[str], Path],
    predictor: Callable[[str], Any],
    candles: Path,
    market: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[FeatureCache] = []
    honest = FeatureCache.__init__

    def remembered(cache: FeatureCache, *arguments: Any) -> None:
        made.append(cache)
        honest(cache, *arguments)

    monkeypatch.setattr(FeatureCache, "__init__", remembered)
    more = ["--with", artifact("wide"), "--with", artifact("wide"), "--fallback", artifact("bar")]
    streamed(artifact("bar"), "--data", candles, *more, "--feature-tables", "4", "--feature-s", "9")
    found = pd.DataFrame(map(json.loads, capsys.readouterr().out.splitlines()))
    found = found.set_index(["decision_time", "symbol"])["probability"]
    bar, wide = (
        predictor(kind).predict(market).assign(decision_time=lambda t: t["decision_time"].map(pd.Timestamp.isoformat))
        for kind in ("bar", "wide")
    )
    both = [one.set_index(["decision_time", "symbol"])["probability"] for one in (bar, wide)]
    wanted = ((both[0] + 2.0 * both[1]) / 3.0).dropna()
    np.testing.assert_allclose(found.loc[wanted.index], wanted, atol=1e-6)
    (cache,) = made
    assert cache.hits >= len(found)  # the second `wide` never works its features out
    assert (cache._tables.maxsize, cache._tables.ttl) == (4, 9.0)
