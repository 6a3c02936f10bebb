"""Paths → the tables inside them: files, folders, gzip and zip opened to plain bytes, nothing left out in silence."""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from deepstack.errors import DataError

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".ftr": "feather",
    ".json": "json",
}
"""File extension → table format; any of them may also be gzipped (`.csv.gz`) or inside a zip."""

SUPPORTED = ", ".join([*FORMATS, "any of them with .gz", ".zip"])

# What a freqtrade data folder keeps beside its candles, by its naming convention.
_FREQTRADE_NOT_CANDLES = ("-trades", "-funding_rate", "-mark")

# All that zipfile raises on damaged, encrypted or unsupported archives.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Source:
    """One file to read; `from_folder` when the user named only a folder above it."""

    path: Path
    from_folder: bool


@dataclass(frozen=True)
class Skipped:
    """A file that was found and not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Member:
    """One table as bytes.

    Attributes:
        label: what messages call it, `folder/file.zip:member.csv`.
        names: file names that may carry the symbol, the innermost first.
        table_format: one of the values of `FORMATS`.
        data: the uncompressed content.
    """

    label: str
    names: tuple[str, ...]
    table_format: str
    data: bytes


def find_sources(paths: Sequence[str | Path]) -> tuple[list[Source], list[Skipped]]:
    """The files behind `paths`, folders searched recursively in name order, and those that cannot hold candles.

    Raises:
        DataError: no path given, a path that does not exist, an unknown extension, or a folder without candle files.
    """
    if not paths:
        raise DataError("data.paths", expected="at least one file or folder", received="none", remedy="naming a file")
    sources: dict[Path, Source] = {}
    skipped: list[Skipped] = []
    for given in paths:
        path = Path(given).expanduser()
        if not path.exists():
            raise DataError(
                str(given), expected="a file or folder", received="no such path", remedy="checking its spelling"
            )
        for source in _search_folder(path, skipped) if path.is_dir() else [_named_file(path)]:
            resolved = source.path.resolve()
            if resolved in sources:
                skipped.append(Skipped(str(source.path), "named twice"))
            else:
                sources[resolved] = source
    return list(sources.values()), skipped


def open_members(source: Source, skipped: list[Skipped]) -> Iterator[Member]:
    """The tables inside one file; members of a zip that cannot hold candles are appended to `skipped`.

    Raises:
        DataError: unreadable, empty, damaged or encrypted.
    """
    path, label = source.path, str(source.path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            label, expected="a readable file", received=error.strerror or str(error), remedy="checking its permissions"
        ) from error
    if not data:
        raise _empty(label)
    if path.suffix.lower() == ".zip":
        yield from _unzip(label, path.name, data, skipped)
    else:
        yield _member(label, (path.name,), data)


def _named_file(path: Path) -> Source:
    if not _is_supported(path.name):
        raise DataError(
            str(path),
            expected=f"one of {SUPPORTED}",
            received=f"the extension {path.suffix or '(none)'}",
            remedy="converting it to CSV or Parquet",
        )
    return Source(path, from_folder=False)


def _search_folder(folder: Path, skipped: list[Skipped]) -> list[Source]:
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if not _is_supported(path.name):
            skipped.append(Skipped(str(path), "unknown extension"))
        elif _plain_stem(path.name).endswith(_FREQTRADE_NOT_CANDLES):
            skipped.append(Skipped(str(path), "freqtrade data other than traded candles"))
        else:
            found.append(Source(path, from_folder=True))
    if not found:
        raise DataError(
            str(folder), expected=f"candle files ({SUPPORTED})", received="none in the folder", remedy="another folder"
        )
    return found


def _unzip(label: str, zip_name: str, data: bytes, skipped: list[Skipped]) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except _ZIP_ERRORS as error:
        raise _damaged(label, "zip", error) from error
    read_any = False
    with archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename).name
            inner = f"{label}:{info.filename}"
            if info.is_dir():
                continue
            if name.startswith(".") or info.filename.startswith("__MACOSX/") or not _is_supported(name):
                skipped.append(Skipped(inner, "unknown extension"))
                continue
            try:
                content = archive.read(info)
            except _ZIP_ERRORS as error:
                raise _damaged(inner, "zip", error) from error
            if not content:
                raise _empty(inner)
            read_any = True
            yield _member(inner, (name, zip_name), content)
    if not read_any:
        raise DataError(
            label, expected="a zip with a CSV inside", received="no candle file in it", remedy="another archive"
        )


def _member(label: str, names: tuple[str, ...], data: bytes) -> Member:
    suffixes = [suffix.lower() for suffix in PurePosixPath(names[0]).suffixes]
    if suffixes[-1] == ".gz":
        try:
            data = gzip.decompress(data)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _damaged(label, "gzip", error) from error
        if not data:
            raise _empty(label)
        suffixes.pop()
    if suffixes[-1] not in FORMATS:
        raise DataError(
            label, expected=f"one of {SUPPORTED}", received=suffixes[-1], remedy="unpacking nested archives first"
        )
    return Member(label, names, FORMATS[suffixes[-1]], data)


def _is_supported(name: str) -> bool:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes[-1:] == [".gz"]:
        return suffixes[-2:-1] != [] and suffixes[-2] in FORMATS
    return suffixes[-1:] == [".zip"] or (suffixes != [] and suffixes[-1] in FORMATS)


def _plain_stem(name: str) -> str:
    stem = PurePosixPath(name)
    while stem.suffix.lower() in {*FORMATS, ".gz", ".zip"}:
        stem = stem.with_suffix("")
    return stem.name


def _empty(label: str) -> DataError:
    return DataError(label, expected="candles", received="an empty file", remedy="downloading it again")


def _damaged(label: str, kind: str, error: Exception) -> DataError:
    return DataError(
        label,
        expected=f"an intact {kind} file",
        received=f"a damaged or unreadable one ({error})",
        remedy="downloading it again",
    )
