"""Score a symbol's newest bar: `python examples/score_latest_bar.py artifacts/<run> SYMBOL candles.csv [more.csv]`.

What a bot does when a bar closes: the features of that bar from the trailing window, by the code that trained the
network, then the SavedModel. Give the same symbols the network was trained on: some features compare them. Run it
with TF_ENABLE_ONEDNN_OPTS=0, which makes single rows through deep networks several times faster.
"""

import sys
from pathlib import Path

import tensorflow as tf

from deepstack import latest_row, open_artifact, read_market


def main(folder: Path, symbol: str, candles: list[Path]) -> None:
    artifact = open_artifact(folder)  # verifies every file's sha256 first
    model = tf.saved_model.load(str(next(folder.glob("serving/*/1"))))
    serve = model.signatures["serving_default"]
    market, _ = read_market(candles)

    # In a bot this part runs once a bar, with the last 420 or more candles of each symbol.
    features = latest_row(market, symbol, artifact.features)
    answer = serve(features=tf.constant(features[None]))
    closed = f"{symbol} {market[symbol].frame.index[-1]:%Y-%m-%d %H:%M}"
    print(f"{closed} probability {answer['probability'][0]:.6f}, take it: {bool(answer['decision'][0])}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [Path(path) for path in sys.argv[3:]])
