"""Score a symbol's newest bar: `python examples/score_latest_bar.py artifacts/<run> SYMBOL candles.csv [more.csv]`.

What a bot does when a bar closes: look at the trailing candles as the network was trained to, one bar's features, a
window or several timeframes, and answer the newest decision. Give the symbols the network was trained on: some features
compare them. Run it with TF_ENABLE_ONEDNN_OPTS=0, which makes single rows through deep networks several times faster.
"""

import sys
from pathlib import Path

import numpy as np

import deepstack

USAGE = "usage: python examples/score_latest_bar.py artifacts/<run> SYMBOL candles.csv [more.csv]"


def main(folder: Path, symbol: str, candles: list[Path]) -> None:
    predictor = deepstack.load(folder)  # verifies every file's sha256 first; a bot keeps it
    market, _ = deepstack.read_market(candles)
    if symbol not in market:
        raise SystemExit(f"{symbol}: expected one of {', '.join(market)} — try that, or candles of {symbol} too")

    # In a bot this part runs once a bar; docs/artifact.md says how many trailing candles are enough.
    moments, inputs, _ = predictor.look(market)
    newest = np.flatnonzero(moments["symbol"] == symbol)[-1:]
    answer = predictor.framed(moments.iloc[newest], {name: values[newest] for name, values in inputs.items()})

    closed, labels = market[symbol].frame.index[-1], predictor.artifact.config.labels
    print(f"{symbol} {closed:%Y-%m-%d %H:%M}")
    every_bars = labels.horizons.every_bars if labels.kind == "horizons" else 1
    if (answer["decision_time"] > closed - every_bars * market[symbol].interval).any():
        print(answer.to_string(index=False))
    else:
        print("nothing to decide: no breakout, or a gap or too few bars before it")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(USAGE)
    try:
        main(Path(sys.argv[1]), sys.argv[2], [Path(path) for path in sys.argv[3:]])
    except deepstack.DeepstackError as error:
        raise SystemExit(f"error: {error}") from None
