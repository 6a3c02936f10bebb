"""The way in: files → checked, mended and resampled candles, and the report of all that."""

from collections.abc import Sequence
from pathlib import Path

from deepstack.candles.check import DEFECTS, Defect, Problem, defect_problem, find_defects, find_facts
from deepstack.candles.interval import interval_ms, interval_text, parse_interval
from deepstack.candles.market import Candles, Market
from deepstack.candles.repair import Repair, RepairMode, mend, require_mendable
from deepstack.candles.report import Coverage, ReadReport
from deepstack.candles.resample import resample as resample_candles
from deepstack.candles.rows import Rows
from deepstack.candles.tables import Progress, Tables, read_tables
from deepstack.errors import DataError


def read_market(
    paths: Sequence[str | Path],
    *,
    repair: RepairMode = "strict",
    symbols: Sequence[str] = (),
    resample: str | None = None,
    progress: Progress | None = None,
) -> tuple[Market, ReadReport]:
    """Read candle files and folders into one market.

    Args:
        paths: CSV, Parquet, feather or JSON files, gzipped or zipped or plain, and folders of them.
        repair: `strict` refuses every defect; `sort` puts rows in order and drops identical duplicates; `drop` also
            drops defective rows. Conflicting duplicates are always refused.
        symbols: keep only these, in any spelling (`BTC/USDT`, `BTCUSDT`); none means all.
        resample: coarser bar interval, `4h`.
        progress: told of each file.

    Raises:
        DataError: a file that cannot be read or understood, bars of different intervals, a symbol that is not there, or
            defects that `repair` does not allow to mend.
    """
    interval = None if resample is None else parse_interval(resample, "data.resample")
    tables = read_tables(paths, symbols, progress)
    defects = {rows.symbol: find_defects(rows) for rows in tables.rows}
    defect_problems = [defect_problem(rows, defect) for rows in tables.rows for defect in defects[rows.symbol]]
    require_mendable(defect_problems, repair)
    market, problems, repairs = _mend_all(tables.rows, defects)
    notes = list(tables.notes)
    if interval is not None:
        fine = market
        market = {symbol: resample_candles(candles, interval) for symbol, candles in fine.items()}
        notes += [_resampling_note(fine[symbol], market[symbol]) for symbol in market]
    return market, _report(tables, market, problems, repairs, notes)


def inspect_files(
    paths: Sequence[str | Path], *, symbols: Sequence[str] = (), progress: Progress | None = None
) -> ReadReport:
    """Every problem in the files, without refusing or repairing any; facts are those of the sound rows.

    The coverage counts the rows that are free of defects.

    Raises:
        DataError: a file that cannot be read or understood at all, or bars of different intervals.
    """
    tables = read_tables(paths, symbols, progress)
    market, problems, _ = _mend_all(tables.rows, {rows.symbol: find_defects(rows) for rows in tables.rows})
    return _report(tables, market, problems, [], tables.notes)


def _mend_all(all_rows: Sequence[Rows], defects: dict[str, list[Defect]]) -> tuple[Market, list[Problem], list[Repair]]:
    market: Market = {}
    problems: list[Problem] = []
    repairs: list[Repair] = []
    for rows in all_rows:
        mended, done = mend(rows, defects[rows.symbol])
        if len(mended) < 2:
            raise DataError(
                f"{rows.labels[0]} ({rows.symbol})",
                expected="at least two sound bars",
                received=f"{len(mended)} of {len(rows):,} rows; {_counts(defects[rows.symbol])}",
                remedy="checking which column is which, or another download",
            )
        market[rows.symbol] = mended.to_candles()
        problems += [defect_problem(rows, defect) for defect in defects[rows.symbol]] + find_facts(mended)
        repairs += done
    return market, problems, repairs


def _counts(defects: Sequence[Defect]) -> str:
    return ", ".join(f"{DEFECTS[defect.kind]}: {len(defect.index):,}" for defect in defects)


def _resampling_note(fine: Candles, coarse: Candles) -> str:
    ratio = interval_ms(coarse.interval) // interval_ms(fine.interval)
    left_over = len(fine) - ratio * len(coarse)
    return (
        f"{coarse.symbol}: {len(fine):,} bars of {interval_text(fine.interval)} made {len(coarse):,} of "
        f"{interval_text(coarse.interval)}; {left_over:,} belong to incomplete bars and are left out"
    )


def _report(
    tables: Tables, market: Market, problems: list[Problem], repairs: list[Repair], notes: Sequence[str]
) -> ReadReport:
    coverage = tuple(
        Coverage(symbol, len(candles), candles.frame.index[0], candles.frame.index[-1])
        for symbol, candles in market.items()
    )
    interval = next(iter(market.values())).interval
    return ReadReport(tables.files, tables.skipped, coverage, interval, tuple(problems), tuple(repairs), tuple(notes))
