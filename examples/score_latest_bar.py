"""Score a symbol's newest bar: `python examples/score_latest_bar.py artifacts/<run> SYMBOL candles.csv [more.csv]`.

What a bot does when a bar closes: is it a breakout, and if so, the features of that bar from the trailing window, by
the code that trained the network, then the SavedModel. Give the same symbols the network was trained on: some features
compare them. Run it with TF_ENABLE_ONEDNN_OPTS=0, which makes single rows through deep networks several times faster.
"""

import sys
from pathlib import Path

import tensorflow as tf

from deepstack import find_breakouts, latest_row, open_artifact, read_market


def main(folder: Path, symbol: str, candles: list[Path]) -> None:
    artifact = open_artifact(folder)  # verifies every file's sha256 first
    model = tf.saved_model.load(str(next(folder.glob("serving/*/1"))))
    serve = model.signatures["serving_default"]
    market, _ = read_market(candles)

    # In a bot this part runs once a bar, with the last 420 or more candles of each symbol.
    closed = f"{symbol} {market[symbol].frame.index[-1]:%Y-%m-%d %H:%M}"
    rows, sides, _ = find_breakouts(market[symbol], artifact.config.labels)
    if not len(rows) or rows[-1] != len(market[symbol]) - 1:
        print(f"{closed} no breakout, nothing to decide")
        return
    features = latest_row(market, symbol, artifact.features)
    answer = serve(features=tf.constant(features[None]))
    probability, take = float(answer["probability"][0]), bool(answer["decision"][0])
    print(f"{closed} {'long' if sides[-1] > 0 else 'short'}, probability {probability:.6f}, take it: {take}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [Path(path) for path in sys.argv[3:]])
