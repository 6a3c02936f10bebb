"""The benchmark of two complementary edges runs as it stands, and at half of its size the ensemble still wins."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.slow
def test_an_ensemble_beats_its_best_member_where_each_sees_one_edge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("ensemble")
    monkeypatch.setattr(benchmark, "SAMPLES", 12_000)
    parts, attainable = benchmark.planted(3)
    found = benchmark.judged(benchmark.config_of("weighted", 3), parts, tmp_path, "weighted")
    assert max(found.members.values()) < found.ensemble < attainable
    assert found.low > 0.0
