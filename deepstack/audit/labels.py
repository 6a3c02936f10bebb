"""Links around the labels: decisions, entries after them, slices that do not meet, an equity that waits."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import FUTURES, noise, reaching
from deepstack.candles.market import Market
from deepstack.candles.times import index_ms
from deepstack.config.labels import LabelsConfig
from deepstack.config.run import RunConfig
from deepstack.errors import DataError
from deepstack.evaluation import equity as equity_module
from deepstack.labels import labelled
from deepstack.labels.labelled import Labels
from deepstack.samples.split import Split

PAST_BARS = 600
AHEAD_BARS = 8
CUTS = 12
KEY = ["symbol", "decision_time", "end_time"]


def audit_decisions(market: Market, config: LabelsConfig, rows: int) -> Link:
    """Whether a question is asked at a bar, and of which side, does not depend on later bars; row by row."""
    name, checked = "decisions asked", 0
    longest = max(config.channel_bars, config.atr_bars, config.horizons.volatility_bars)
    past = max(PAST_BARS, 2 * longest)
    for symbol, candles in market.items():
        times = candles.frame.index
        for moment in times[-(max(1, rows // len(market)) + AHEAD_BARS) : -AHEAD_BARS]:
            first = times[max(int(times.searchsorted(moment)) - past, 0)]
            around = reaching({symbol: candles}, first, moment, AHEAD_BARS)
            before = _asked(around, symbol, config, moment)
            for future, change in FUTURES.items():
                after = _asked(change(around, moment, 1), symbol, config, moment)
                if not before.equals(after):
                    where = f"{symbol} {moment.isoformat()}"
                    how = f"other questions up to then when later bars became {future}"
                    return Link(name, f"{checked:,} rows", Offence("decision", where, how))
            checked += 1
    return Link(name, f"{checked:,} rows × {len(FUTURES)} futures")


def _asked(market: Market, symbol: str, config: LabelsConfig, moment: pd.Timestamp) -> pd.DataFrame:
    found = labelled.decision_rows(market[symbol], config)
    return found[found["decision_time"] <= moment].reset_index(drop=True)


def audit_labels(market: Market, labels: Labels, config: LabelsConfig) -> Link:
    """Every sample is entered at the open of a bar after its decision, and its outcome needs no bar after its end."""
    name = "labels and fills"
    for offence in _fills(market, labels):
        return Link(name, f"{len(labels):,} samples", offence)
    ends = labels.samples["end_time"]
    cuts = pd.DatetimeIndex(np.sort(ends.to_numpy())[np.linspace(0, len(ends) - 1, CUTS + 2).astype(int)[1:-1]])
    for number, cut in enumerate(cuts.tz_localize("UTC") if cuts.tz is None else cuts):
        for future in ("noise", "truncation"):
            moved = _other_outcome(labels, FUTURES[future](market, cut, number), config, cut, future)
            if moved:
                return Link(name, f"{len(labels):,} samples", moved)
    return Link(name, f"{len(labels):,} samples: entries one by one, outcomes with {CUTS} cuts × 2 futures")


def _fills(market: Market, labels: Labels) -> Iterator[Offence]:
    """Samples that are not entered at the open of the bar after their decision."""
    for symbol, rows in labels.samples.groupby("symbol", sort=False).indices.items():
        candles, own = market[str(symbol)], labels.samples.iloc[rows]
        clock, opened = index_ms(candles.frame.index), candles.frame["open"].to_numpy()
        decided = index_ms(pd.DatetimeIndex(own["decision_time"]))
        after = np.minimum(clock.searchsorted(decided, side="right"), len(clock) - 1)
        entered = index_ms(pd.DatetimeIndex(own["entry_time"]))
        ended = index_ms(pd.DatetimeIndex(own["end_time"]))
        for wrong, how in (
            (entered < decided, "entered before the bar of its decision had closed"),
            (own["entry_price"].to_numpy() != opened[after], "filled at a price that is not the next bar's open"),
            (ended <= decided, "its outcome was known at its decision"),
        ):
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                yield Offence("label", f"{symbol} {own['decision_time'].iloc[row].isoformat()}", how)


def _other_outcome(
    labels: Labels, changed: Market, config: LabelsConfig, cut: pd.Timestamp, future: str
) -> Offence | None:
    """A sample that had ended at the cut and is another now, or an answer known by then that moved with what came."""
    try:
        other = labelled.label(changed, config)
    except DataError:
        return None
    everyone = [one.samples.loc[one.samples["end_time"] <= cut, KEY] for one in (labels, other)]
    if not everyone[0].reset_index(drop=True).equals(everyone[1].reset_index(drop=True)):
        apart = everyone[0].merge(everyone[1], how="outer", indicator=True).query("_merge != 'both'")
        return _label_offence("", apart, f"other samples ended by {cut.isoformat()} when later bars became {future}")
    for output, (ours, theirs) in zip(labels.outputs, zip(_answers(labels), _answers(other), strict=True), strict=True):
        both = ours[ours["end"] <= cut].merge(theirs, on=KEY[:2], suffixes=("", "_other"))
        moved = both[(both["r"] != both["r_other"]) | (both["code"] != both["code_other"])]
        if not moved.empty:
            how = f"other outcome by {cut.isoformat()} when later bars became {future}"
            return _label_offence(output, moved, how)
    return None


def _answers(labels: Labels) -> Iterator[pd.DataFrame]:
    """Output by output, each sample with its answer, and when that was known."""
    for k, output in enumerate(labels.outputs):
        end = labels.samples.get(f"end_{output}", labels.samples["end_time"])
        yield labels.samples[KEY].assign(end=end, r=labels.outcome_r[:, k], code=labels.codes[:, k])


def _label_offence(output: str, rows: pd.DataFrame, how: str) -> Offence:
    first = rows.sort_values("decision_time").iloc[0]
    what = "label" if output in ("", "won") else f"label {output}"
    return Offence(what, f"{first['symbol']} {first['decision_time'].isoformat()}", how)


def audit_split(labels: Labels, split: Split, embargo: pd.Timedelta) -> Link:
    """No interval of one slice meets one of a later slice, or comes nearer to it than the embargo."""
    name = "split"
    samples = labels.samples
    decided, ended = samples["decision_time"], samples["end_time"]
    slices = {"train": split.train, "validation": split.validation, "test": split.test}
    covers = ", ".join(f"{key} {len(rows):,}" for key, rows in slices.items())
    cuts = {"validation": split.validation_cut, "test": split.test_cut}
    for earlier, later in (("train", "validation"), ("train", "test"), ("validation", "test")):
        first, last = cuts[later], ended.iloc[slices[later]].max()
        mine = slices[earlier]
        meets = (ended.iloc[mine] + embargo >= first) & (decided.iloc[mine] - embargo <= last)
        if meets.any():
            row = int(mine[np.flatnonzero(meets.to_numpy())[0]])
            where = f"{samples['symbol'].iloc[row]} {decided.iloc[row].isoformat()}"
            open_until = ended.iloc[row].isoformat()
            how = f"of {earlier}, open until {open_until}, meets {later}, which begins {first.isoformat()}"
            return Link(name, covers, Offence("sample", where, how))
    return Link(name, covers)


def audit_equity(market: Market, trades: pd.DataFrame, config: RunConfig) -> Link:
    """What an account is worth at a bar does not depend on later bars, and no trade moves it before its entry."""
    name = "equity"
    trades = trades.iloc[:: max(1, len(trades) // 400)].reset_index(drop=True)
    taken, risk = np.ones(len(trades), bool), config.evaluation.risk_share
    marks = equity_module.mark_trades(trades, market)
    if (marks.bar <= marks.decided_bar[marks.trade]).any():
        row = int(marks.trade[np.flatnonzero(marks.bar <= marks.decided_bar[marks.trade])[0]])
        where = f"{trades['symbol'][row]} {trades['decision_time'][row].isoformat()}"
        return Link(name, f"{len(trades):,} trades", Offence("equity", where, "moves with a trade not yet entered"))
    whole = equity_module.equity_curve(marks, taken, risk)
    for number, share in enumerate(np.linspace(0.2, 0.8, 4)):
        moment = whole.times[int(share * (len(whole.times) - 1))]
        other = equity_module.equity_curve(
            equity_module.mark_trades(trades, noise(market, moment, number)), taken, risk
        )
        early = int(whole.times.searchsorted(moment, side="right"))
        if not np.array_equal(whole.value[:early], other.value[:early]):
            row = int(np.flatnonzero(whole.value[:early] != other.value[:early])[0])
            how = f"moved when bars after {moment.isoformat()} became noise"
            return Link(name, f"{len(trades):,} trades", Offence("equity", whole.times[row].isoformat(), how))
    return Link(name, f"{len(trades):,} trades, {len(whole.times):,} bars, 4 cuts")
