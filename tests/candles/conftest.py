"""Small sound candle tables, and a way to write them in every format the readers know."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MINUTE_MS = 60_000
START_MS = 1_735_689_600_000  # 2025-01-01 00:00 UTC


@pytest.fixture
def klines() -> Callable[..., pd.DataFrame]:
    """Make `rows` sound bars with open times in ms: a positive random walk, seeded."""

    def make(rows: int = 10, step_ms: int = MINUTE_MS, start_ms: int = START_MS, seed: int = 0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
        open_ = np.concatenate([[100.0], close[:-1]])
        return pd.DataFrame(
            {
                "open_time": start_ms + step_ms * np.arange(rows, dtype=np.int64),
                "open": open_,
                "high": np.maximum(open_, close) * (1 + rng.uniform(0, 0.01, rows)),
                "low": np.minimum(open_, close) * (1 - rng.uniform(0, 0.01, rows)),
                "close": close,
                "volume": rng.uniform(1, 10, rows),
            }
        )

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[pd.DataFrame, str], Path]:
    """Write a frame to `tmp_path / name`, in the format its extension names."""

    def make(frame: pd.DataFrame, name: str, *, header: bool = True) -> Path:
        path = tmp_path / name
        text = frame.to_csv(index=False, header=header)
        if name.endswith((".parquet", ".pq")):
            frame.to_parquet(path)
        elif name.endswith(".feather"):
            frame.to_feather(path)
        elif name.endswith(".json"):
            path.write_text(json.dumps(frame.to_numpy(dtype=object).tolist()))
        elif name.endswith(".json.gz"):
            path.write_bytes(gzip.compress(json.dumps(frame.to_numpy(dtype=object).tolist()).encode()))
        elif name.endswith(".csv.gz"):
            path.write_bytes(gzip.compress(text.encode()))
        elif name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(name.removesuffix(".zip") + ".csv", text)
        else:
            path.write_text(text)
        return path

    return make
