"""What a stream says is what `predict` says of the same candles, whatever happens to the process meanwhile."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deepstack
from deepstack.candles.market import Candles, Market
from deepstack.cli.app import main
from deepstack.errors import ArtifactError, DataError
from deepstack.streaming.bar import Bar
from deepstack.streaming.rules import Rules
from deepstack.streaming.tally import Tally

BARS = {"bar": 900, "peers": 330, "convolution": 330, "decoder": 900, "frames": 900}
NUMBERS = ["probability", "sell", "hold", "buy", "confidence", "position"]
ROOT = Path(__file__).resolve().parents[2]


def bars_of(market: Market) -> list[Bar]:
    """In the order in which they close."""
    bars = [
        Bar(name, int(moment.value // 1_000_000), tuple(row))
        for name, candles in market.items()
        for moment, row in zip(candles.frame.index, candles.frame.to_numpy(), strict=True)
    ]
    return sorted(bars, key=lambda bar: (bar.close_ms, bar.symbol))


def lines_of(bars: Iterable[Bar]) -> list[str]:
    names = ("open", "high", "low", "close", "volume")
    return [
        json.dumps({"symbol": bar.symbol, "close_time": bar.close_ms, **dict(zip(names, bar.values, strict=True))})
        for bar in bars
    ]


def until_last_answer(bars: list[Bar], table: pd.DataFrame, symbol: str) -> list[Bar]:
    """The bars up to the last of the symbol at which something is answered."""
    last = table.loc[table["symbol"] == symbol, "decision_time"].max()
    return bars[: next(k for k, bar in enumerate(bars) if (bar.symbol, bar.close_time) == (symbol, last)) + 1]


def streamed(predictor: Any, items: Iterable[Any], **options: Any) -> list[dict[str, Any]]:
    async def source() -> AsyncIterator[Any]:
        for item in items:
            yield item

    async def gather() -> list[dict[str, Any]]:
        return [answer async for answer in deepstack.stream(predictor, source(), **options)]

    return asyncio.run(gather())


def missing_in(market: Market) -> int:
    return sum(
        int((one.frame.index[-1] - one.frame.index[0]) / one.interval) + 1 - len(one.frame) for one in market.values()
    )


def require_same(answers: list[dict[str, Any]], wanted: pd.DataFrame) -> None:
    """Every row of the batch once, and no other."""
    found = pd.DataFrame(answers)
    found["decision_time"] = pd.to_datetime(found["decision_time"])
    keys = [name for name in ("decision_time", "symbol", "horizon") if name in wanted]
    found, wanted = (table.sort_values(keys).reset_index(drop=True) for table in (found, wanted))
    assert list(found)[: len(wanted.columns)] == list(wanted)
    exact = [name for name in wanted if name not in NUMBERS]
    pd.testing.assert_frame_equal(found[exact], wanted[exact], check_dtype=False)
    numbers = [name for name in NUMBERS if name in wanted]
    np.testing.assert_allclose(found[numbers], wanted[numbers], rtol=0.0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(BARS))
def test_a_stream_says_what_the_batch_says(kind: str, predictor: Callable[[str], Any], gappy: Any) -> None:
    market, tally = gappy(BARS[kind]), Tally()
    wanted, unseen = predictor(kind).predict_and_count(market)
    assert len(wanted) > 20
    require_same(streamed(predictor(kind), bars_of(market), tally=tally), wanted)
    assert tally.counts["new"] == sum(map(len, market.values()))
    assert tally.counts["unseen"] == unseen
    assert tally.counts["missing"] == missing_in(market)
    assert tally.summary()["latency_ms"]["p50"] > 0.0
    assert (tally.counts["attention_kept"] > 9 * tally.counts["attention_read"]) == (kind == "decoder")


def test_a_stream_with_a_deadline_says_the_same(predictor: Callable[[str], Any], gappy: Any) -> None:
    rules = Rules(deadline_ms=60_000.0)
    answers = streamed(predictor("bar"), bars_of(gappy(600)), fallback=predictor("wide"), rules=rules)
    require_same(answers, predictor("bar").predict(gappy(600)))
    assert not any(answer["fallback"] for answer in answers)


@pytest.mark.parametrize("kind", ["bar", "frames"])
def test_chunks_joined_are_the_whole(kind: str, predictor: Callable[[str], Any], gappy: Any) -> None:
    market = gappy(BARS[kind])
    wanted, unseen = predictor(kind).predict_and_count(market)
    chunks, counts = zip(*deepstack.predict_chunks(predictor(kind), market, chunk_bars=97), strict=True)
    assert len(chunks) == -(-BARS[kind] // 97)
    require_same(pd.concat(chunks).to_dict(orient="records"), wanted)
    assert sum(counts) == unseen
    with pytest.raises(DataError, match="warm-up"):
        list(deepstack.predict_chunks(predictor(kind), cut(market, 20), chunk_bars=7))


@pytest.mark.slow
def test_a_bar_more_takes_less_memory_in_chunks_than_its_own_candle(
    predictor: Callable[[str], Any], gappy: Any
) -> None:
    def peak(bars: int, chunk_bars: int) -> int:
        market = gappy(bars)
        tracemalloc.start()
        for chunk, _ in deepstack.predict_chunks(predictor("bar"), market, chunk_bars=chunk_bars):
            assert len(chunk.columns) > 5
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    peak(2000, 500)  # what is made once
    a_bar = (peak(16_000, 500) - peak(4000, 500)) / (2 * 12_000)
    assert a_bar < 6 * np.dtype(np.float64).itemsize
    assert peak(16_000, 16_000) > 2.0 * peak(16_000, 500)


def cut(market: Market, bars: int) -> Market:
    return {name: Candles(name, one.interval, one.frame.iloc[:bars]) for name, one in market.items()}


def test_chunks_on_the_command_line_write_the_same_file(
    artifact: Callable[[str], Path], gappy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "candles.csv"
    frames = [one.frame.reset_index().assign(symbol=name) for name, one in gappy(BARS["bar"]).items()]
    pd.concat(frames).to_csv(data, index=False)
    tables = []
    for name, more in (
        ("whole.csv", []),
        ("parts.csv", ["--chunk-bars", "50"]),
        ("parts.parquet", ["--chunk-bars", "50"]),
    ):
        out = tmp_path / name
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(artifact("bar")), "--data", str(data), "--out", str(out), *more])
        assert ended.value.code == 0
        table = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
        tables.append(table.assign(decision_time=pd.to_datetime(table["decision_time"], utc=True)))
        told = capsys.readouterr().out
        assert f"{len(table)} rows: " in told
        assert "one call: " in told or all(f"{name} " in told for name in ("p50", "p90", "p99"))
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], atol=1e-6, rtol=0.0, check_dtype=False)


def test_bars_in_disorder_are_answered_once_and_counted(predictor: Callable[[str], Any], gappy: Any) -> None:
    """Doubled, late into the window, older than the window, malformed: the other answers are those of the batch."""
    market, tally, told = gappy(BARS["convolution"]), Tally(), []
    bars = bars_of(market)
    late, k = bars[20], 26  # back in its place long before the first answer
    ancient = Bar("SYN01", bars[0].close_ms - 10**5 * 60_000, bars[0].values)
    order: list[Any] = [*bars[:20], *bars[21:k], late, *bars[k:]]
    future = Bar("SYN01", bars[0].close_ms + 10**8 * 60_000, bars[0].values)
    order[60:60] = [order[59], ancient, ("{broken", "line 7"), {"symbol": "SYN01", "close_time": 5}, future]
    off_grid = Bar("SYN01", bars[-1].close_ms + 1, bars[-1].values)
    unsound = Bar("SYN01", bars[-1].close_ms, (1.0, 0.5, 0.5, 1.0, 1.0))
    answers = streamed(predictor("convolution"), [*order, off_grid, unsound], tally=tally, complain=told.append)
    require_same(answers, predictor("convolution").predict(market))
    expected = {"duplicate": 1, "dropped": 1, "filled": 1, "malformed": 5, "new": len(bars) - 1}
    expected["missing"] = missing_in(market) + 1
    assert {name: tally.counts[name] for name in expected} == expected
    assert len(told) == 5
    assert "line 7" in told[0]
    assert "closes in the future" in told[2]
    assert "high or low" in told[4]


def test_a_revised_newest_bar_is_answered_anew(predictor: Callable[[str], Any], gappy: Any) -> None:
    market = gappy(BARS["convolution"])
    bars = until_last_answer(bars_of(market), predictor("convolution").predict(market), "SYN02")
    newest = bars[-1]
    low, close = 0.9 * newest.values[2], 0.95 * newest.values[2]
    revised = Bar(newest.symbol, newest.close_ms, (*newest.values[:2], low, close, newest.values[4]))
    answers = streamed(predictor("convolution"), [*bars, revised])
    first, second = answers[-4:-2], answers[-2:]
    assert [a["revised"] for a in first + second] == [False, False, True, True]
    assert [a["decision_time"] for a in first] == [a["decision_time"] for a in second]
    frame = market[newest.symbol].frame.loc[: newest.close_time].copy()
    frame.loc[newest.close_time] = revised.values
    wanted = predictor("convolution").predict(Candles(newest.symbol, market[newest.symbol].interval, frame))
    np.testing.assert_allclose([a["buy"] for a in second], wanted["buy"].tail(2), rtol=0.0, atol=1e-6)
    assert not np.allclose([a["buy"] for a in first], [a["buy"] for a in second], rtol=0.0, atol=1e-6)


def test_several_artifacts_answer_with_their_mean(predictor: Callable[[str], Any], gappy: Any) -> None:
    one, two = predictor("bar"), predictor("wide")
    market = gappy(BARS["bar"])
    tables = [each.predict(market).set_index(["decision_time", "symbol"])["probability"] for each in (one, two)]
    wanted = pd.concat(tables, axis=1, join="inner").mean(axis=1)
    answers = pd.DataFrame(streamed(one, bars_of(market), others=[two]))
    keys = pd.MultiIndex.from_arrays([pd.to_datetime(answers["decision_time"]), answers["symbol"]])
    assert len(answers) == len(wanted)
    np.testing.assert_allclose(answers["probability"], wanted.loc[keys], rtol=0.0, atol=1e-6)
    assert (answers["decision"] == (answers["probability"] >= one.artifact.thresholds[0])).all()
    assert answers["model"].iloc[0].count("+") == 1
    with pytest.raises(ArtifactError, match=r"expected labels.kind breakout as in .*received horizons"):
        streamed(one, [], others=[predictor("convolution")])


def test_other_symbols_are_waited_for_no_longer_than_allowed(predictor: Callable[[str], Any], gappy: Any) -> None:
    """The last bar of SYN02 never comes: SYN01 is answered without it after the wait, before the candles end."""
    market = gappy(BARS["peers"])
    bars = until_last_answer(bars_of(market), predictor("peers").predict(market), "SYN01")
    moments: list[float] = []

    async def source() -> AsyncIterator[Bar]:
        for bar in bars:
            yield bar
        moments.append(time.monotonic())
        await asyncio.sleep(60.0)

    async def gather() -> None:
        async for answer in deepstack.stream(predictor("peers"), source(), rules=Rules(wait_s=0.5)):
            if answer["decision_time"] == bars[-1].close_time.isoformat():
                moments.append(time.monotonic())
                break

    asyncio.run(gather())
    assert 0.5 <= moments[1] - moments[0] < 20.0


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`deepstack stream` in a process of its own."""
    command = [sys.executable, "-m", "deepstack", "stream", *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.slow
def test_a_killed_stream_goes_on_where_it_was(
    artifact: Callable[[str], Path], predictor: Callable[[str], Any], gappy: Any, tmp_path: Path
) -> None:
    market, state = gappy(BARS["peers"]), tmp_path / "state.npz"
    lines, wanted = lines_of(bars_of(market)), predictor("peers").predict(gappy(BARS["peers"]))
    k = len(lines) * 3 // 4 | 1  # one symbol of a moment in, the other not
    arguments = (artifact("peers"), "--state", state, "--wait-s", 600)
    with process(*arguments) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("\n".join(lines[:k]) + "\n")
        first.stdin.flush()
        before = pd.Timestamp(json.loads(lines[k - 1])["close_time"], unit="ms", tz="UTC")
        expected = int((wanted["decision_time"] < before).sum())
        said = [json.loads(first.stdout.readline()) for _ in range(expected)]
        settled = -1.0
        while settled != (settled := state.stat().st_mtime) or time.time() - settled < 3.0:
            time.sleep(0.5)
        os.kill(first.pid, signal.SIGKILL)
        said += [json.loads(line) for line in first.stdout]
    again = subprocess.run(
        [sys.executable, "-m", "deepstack", "stream", *map(str, arguments)],
        input="\n".join([*lines[k - 40 : k], *lines[k:], "nonsense"]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    said += [json.loads(line) for line in again.stdout.splitlines()]
    require_same(said, wanted)
    assert f"new {len(lines):,}" in again.stderr
    assert "duplicate 40" in again.stderr
    assert "malformed: standard input, line" in again.stderr
    assert "p99" in again.stderr


@pytest.mark.slow
def test_the_summary_is_told_on_a_signal(artifact: Callable[[str], Path], gappy: Any, tmp_path: Path) -> None:
    lines = lines_of(bars_of(gappy(BARS["convolution"])))
    with process(artifact("convolution")) as running:
        assert running.stdin and running.stdout and running.stderr
        running.stdin.write("\n".join(lines[:300]) + "\n")
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["fallback"] is False
        running.send_signal(signal.SIGUSR1)
        summary = next(line for line in running.stderr if line.startswith("stream:"))
        assert "answers" in summary
        running.send_signal(signal.SIGTERM)
        assert any(line.startswith("stream:") for line in running.stderr)
        assert running.wait(60) == 0


def test_mistakes_are_one_line(
    artifact: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headed = tmp_path / "headed.csv"
    headed.write_text("time,open,high,low,close,amount\n")
    state = tmp_path / "state.npz"
    state.write_bytes(b"no state")
    for arguments, line in (
        (["--data", str(tmp_path / "absent")], "absent: expected a readable file"),
        (["--data", str(headed)], "line 1: expected a column for each of volume"),
        (["--state", str(state), "--data", str(headed)], "state.npz: expected a file that"),
        (["--state", str(tmp_path / "state.json")], "expected a name ending in .npz"),
        (["--deadline-ms", "5"], "--deadline-ms: expected a fallback"),
        (["--wait-s", "-1"], "--wait-s: expected 0 or more"),
        (["--fallback", str(artifact("convolution"))], "expected labels.kind breakout"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["stream", str(artifact("bar")), *arguments])
        assert ended.value.code == 2
        errors = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error:")]
        assert len(errors) == 1
        assert line in errors[0]
