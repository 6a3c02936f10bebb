"""Paths → the tables inside them: files, folders, gzip and zip opened to plain bytes, nothing left out in silence."""

import gzip
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NoReturn

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
        DataError: no path given, a path that does not exist or may not be looked at, one that is neither a file nor a
            folder, an unknown extension, a folder that cannot be listed, or one without candle files.
    """
    if not paths:
        raise DataError("data.paths", expected="at least one file or folder", received="none", remedy="naming a file")
    sources: dict[Path, Source] = {}
    skipped: list[Skipped] = []
    for given in paths:
        path = _expand_home(given)
        mode = _mode(path)
        for source in _search_folder(path, skipped) if stat.S_ISDIR(mode) else [_named_file(path, mode)]:
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
        raise _unreadable(path, error) from error
    if not data:
        raise _empty(label)
    if path.suffix.lower() == ".zip":
        yield from _unzip(label, path.name, data, skipped)
    else:
        yield _member(label, (path.name,), data)


def _expand_home(given: str | Path) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise DataError(
            str(given), expected="a file or folder", received="no such user's home", remedy="checking its spelling"
        ) from error


def _mode(path: Path) -> int:
    """What the path is, as `stat` has it."""
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise DataError(
            str(path), expected="a file or folder", received="no such path", remedy="checking its spelling"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL inside
        raise _unreadable(path, error) from error


def _named_file(path: Path, mode: int) -> Source:
    if not stat.S_ISREG(mode):
        raise DataError(
            str(path),
            expected="a regular file or a folder",
            received="a pipe, socket or device",
            remedy="saving its content to a file first",
        )
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
    for path in _list_folder(folder, skipped):
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


def _list_folder(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """The regular files below the folder in name order; all else, and links to folders, are appended to `skipped`.

    Raises:
        DataError: a folder or file that may not be looked at: what it holds would be missing without a word.
    """

    def stop(error: OSError) -> NoReturn:
        raise error

    found = []
    try:
        for name, folders, files in os.walk(folder, onerror=stop):
            folders.sort()
            links = [path for path in (Path(name, each) for each in folders) if path.is_symlink()]
            skipped += [Skipped(str(path), "a link to a folder") for path in links]
            for path in (Path(name, each) for each in sorted(files)):
                if path.is_file():
                    found.append(path)
                else:
                    skipped.append(Skipped(str(path), "not a regular file"))
    except OSError as error:
        raise _unreadable(error.filename or folder, error) from error
    return sorted(found)


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


def _unreadable(path: str | Path, error: OSError | ValueError) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(
        str(path),
        expected="a file or folder that can be read",
        received=reason.lower(),
        remedy="checking its spelling and its permissions",
    )


def _damaged(label: str, kind: str, error: Exception) -> DataError:
    return DataError(
        label,
        expected=f"an intact {kind} file",
        received=f"a damaged or unreadable one ({error})",
        remedy="downloading it again",
    )
