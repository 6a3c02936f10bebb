"""Tables are written by suffix, whole, and refused before the work when they could not be written after it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepstack.cli import output
from deepstack.cli.output import check_output, write_features, write_table
from deepstack.errors import DeepstackError
from deepstack.features.table import FeatureTable


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_written_by_suffix(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"symbol": ["BTC", "ETH"], "probability": [0.25, 0.75]})
    path = tmp_path / f"signals{suffix}"
    write_table(table, path)
    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    pd.testing.assert_frame_equal(read(path), table, check_dtype=False)
    assert list(tmp_path.iterdir()) == [path]


def test_features_survive_the_file_over_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_ROWS_A_GROUP", 3)
    table = FeatureTable(
        values=np.arange(14, dtype=np.float32).reshape(7, 2),
        names=("a", "b"),
        times=np.arange(7).astype("datetime64[h]").astype("datetime64[ms]"),
        symbols=("BTC", "ETH"),
        symbol=np.array([0, 0, 0, 0, 1, 1, 1], np.int16),
        segment=np.zeros(7, np.int32),
        warmup_bars=0,
    )
    write_features(table, tmp_path / "x.parquet")
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert list(frame.columns) == ["close_time", "symbol", "a", "b"]
    assert str(frame["close_time"].dtype) == "datetime64[ms, UTC]"
    assert frame["symbol"].tolist() == ["BTC"] * 4 + ["ETH"] * 3
    assert frame[["a", "b"]].dtypes.unique().tolist() == [np.float32]
    np.testing.assert_array_equal(frame[["a", "b"]].to_numpy(), table.values)
    np.testing.assert_array_equal(frame["close_time"].dt.tz_localize(None).to_numpy(), table.times)


@pytest.mark.parametrize("name", ["x.xlsx", "x", "absent/x.csv", "folder.csv"])
def test_what_could_not_be_written_is_refused_early(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DeepstackError, match="--out"):
        check_output(tmp_path / name, (".csv", ".parquet"))


def test_a_good_place_is_accepted_untouched(tmp_path: Path) -> None:
    check_output(tmp_path / "x.csv", (".csv", ".parquet"))
    assert not list(tmp_path.iterdir())
