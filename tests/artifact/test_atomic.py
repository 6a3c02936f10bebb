"""A file appears whole or not at all, and a disk that refuses is one line."""

import errno
from pathlib import Path

import pytest

from deepstack.artifact.atomic import disk_errors, write_atomic
from deepstack.errors import ArtifactError, ConfigError


def test_a_new_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    seen: list[str] = []

    def write(part: Path) -> None:
        assert part.suffix == ".csv"
        part.write_text("new")
        seen.append(target.read_text())

    write_atomic(target, write)
    assert seen == ["old"]
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")

    def write(part: Path) -> None:
        part.write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)

    with pytest.raises(ArtifactError, match=r"report\.json: .*no space left") as caught:
        write_atomic(target, write)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [
        OSError("[Errno 28] Can't synchronously write data (file write failed: errno = 28, error message = '...')"),
        RuntimeError("; No space left on device [Op:SaveV2]"),
    ],
    ids=["hdf5", "tensorflow"],
)
def test_libraries_that_hide_a_full_disk_are_understood(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(ArtifactError, match="no space left"), disk_errors(tmp_path):
        raise error


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk_errors(tmp_path):
        raise ZeroDivisionError
    with pytest.raises(ConfigError), disk_errors(tmp_path):
        raise ConfigError("x", expected="Permission denied", received="y", remedy="z")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.ENOTDIR])
def test_every_refusal_of_the_disk_is_one_line_with_a_remedy(tmp_path: Path, code: int) -> None:
    with pytest.raises(ArtifactError, match=r"— try .*--out") as caught, disk_errors(tmp_path):
        raise OSError(code, "refused")
    assert str(caught.value).startswith(str(tmp_path))
