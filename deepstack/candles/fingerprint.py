"""One number for a whole market, so that a run can say exactly which candles it saw."""

import hashlib
import json

import numpy as np

from deepstack.candles.interval import interval_ms
from deepstack.candles.market import Market
from deepstack.candles.times import index_ms


def fingerprint(market: Market) -> str:
    """sha256 in hex over symbols in name order, interval, column names, times and values; alike on every machine."""
    digest = hashlib.sha256()
    for symbol in sorted(market):
        candles = market[symbol]
        heading = [symbol, interval_ms(candles.interval), len(candles), list(candles.frame.columns)]
        digest.update(json.dumps(heading).encode())
        digest.update(index_ms(candles.frame.index).astype("<i8").tobytes())
        digest.update(np.ascontiguousarray(candles.frame.to_numpy(dtype="<f8")).tobytes())
    return digest.hexdigest()
