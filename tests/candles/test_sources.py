"""Finding files and opening them to bytes."""

import gzip
import os
import zipfile
from pathlib import Path

import pytest

from deepstack.candles.sources import Skipped, Source, find_sources, open_members
from deepstack.errors import DataError


def test_a_folder_is_searched_and_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.csv", "a.parquet", "deep/c.json.gz", "notes.txt", "x.zip.CHECKSUM", "BTC_USDT-trades.feather"):
        (tmp_path / name).write_bytes(b"x")
    sources, skipped = find_sources([tmp_path])
    assert [source.path.name for source in sources] == ["a.parquet", "b.csv", "c.json.gz"]
    assert all(source.from_folder for source in sources)
    assert {Path(entry.path).name for entry in skipped} == {"notes.txt", "x.zip.CHECKSUM", "BTC_USDT-trades.feather"}


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x")
    sources, skipped = find_sources([path, tmp_path])
    assert sources == [Source(path, from_folder=False)]
    assert skipped == [Skipped(str(path), "named twice")]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one file"):
        find_sources([])
    with pytest.raises(DataError, match="no such path"):
        find_sources([tmp_path / "nowhere.csv"])
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"a\.xlsx: .* received the extension \.xlsx"):
        find_sources([tmp_path / "a.xlsx"])
    with pytest.raises(DataError, match="none in the folder"):
        find_sources([tmp_path])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nosuchuser/x.csv", "no such user's home"),
        ("x" * 300 + ".csv", "received file name too long"),
        ("a\0b.csv", "received embedded null byte"),
        ("loop.csv", "received too many levels of symbolic links"),
        ("pipe.csv", "received a pipe, socket or device"),
        ("/dev/null", "received a pipe, socket or device"),
    ],
)
def test_paths_that_cannot_be_used(path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    Path("loop.csv").symlink_to("loop.csv")
    with pytest.raises(DataError, match=message):
        find_sources([path])


def test_what_is_no_regular_file_in_a_folder_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "dangling.csv").symlink_to("nowhere.csv")
    (tmp_path / "again").symlink_to(tmp_path)
    sources, skipped = find_sources([tmp_path])
    assert [source.path.name for source in sources] == ["a.csv"]
    assert {Path(entry.path).name: entry.reason for entry in skipped} == {
        **dict.fromkeys(["pipe.csv", "dangling.csv"], "not a regular file"),
        "again": "a link to a folder",
    }


@pytest.mark.parametrize("function", ["scandir", "stat"])
def test_what_may_not_be_looked_at_is_never_left_out(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    for name in ("a.csv", "closed/b.csv"):
        (tmp_path / name).write_bytes(b"x")
    real = getattr(os, function)

    def refuse(path: Path, **options: bool) -> object:
        if "closed" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(DataError, match=r"closed.*: expected .* that can be read, received permission denied"):
        find_sources([tmp_path])
    if function == "stat":
        with pytest.raises(DataError, match=r"b\.csv: .* received permission denied"):
            find_sources([tmp_path / "closed" / "b.csv"])


def open_one(path: Path) -> list[bytes]:
    return [member.data for member in open_members(Source(path, from_folder=False), [])]


def test_zip_members(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/one.csv", "1")
        archive.writestr("two.csv.gz", gzip.compress(b"2"))
        archive.writestr("__MACOSX/._one.csv", "junk")
        archive.writestr("README.md", "text")
    skipped: list[Skipped] = []
    members = list(open_members(Source(path, from_folder=False), skipped))
    assert [(member.label, member.names, member.data) for member in members] == [
        (f"{path}:deep/one.csv", ("one.csv", "all.zip"), b"1"),
        (f"{path}:two.csv.gz", ("two.csv.gz", "all.zip"), b"2"),
    ]
    assert [entry.path for entry in skipped] == [f"{path}:__MACOSX/._one.csv", f"{path}:README.md"]


def test_damage_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"1,2,3\n" * 1000)
    damaged = {
        "cut.csv.gz": whole[:-20],
        "flipped.csv.gz": whole[:20] + b"\xff\xff" + whole[22:],
        "text.csv.gz": b"1,2,3",
        "text.zip": b"no zip",
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: .*damaged"):
            open_one(tmp_path / name)


def test_a_zip_with_a_flipped_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "1,2,3,4,5,6")
    data = bytearray(path.read_bytes())
    data[data.index(b"1,2,3")] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.zip:a\.csv: .*damaged"):
        open_one(path)


def test_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b""))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("c.csv", "")
    for name in ("a.csv", "b.csv.gz", "c.zip"):
        with pytest.raises(DataError, match="received an empty file"):
            open_one(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "d.zip", "w"):
        pass
    with pytest.raises(DataError, match="no candle file in it"):
        open_one(tmp_path / "d.zip")
