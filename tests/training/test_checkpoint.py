"""A checkpoint is whole or it does not count."""

import errno

import numpy as np
import pytest

from deepstack.errors import ArtifactError, DeepstackError
from deepstack.training import checkpoint as module
from deepstack.training.checkpoint import Checkpoint, clear_checkpoints, load_checkpoint, save_checkpoint


def make(step):
    arrays = {"model": [np.full((3, 2), step, np.float32), np.array([7, step])], "best": [np.array(0.1)]}
    return Checkpoint(step, arrays, {"loss": 0.1 + 0.2, "best": float("inf")})


def test_what_is_loaded_is_what_was_saved(tmp_path):
    save_checkpoint(tmp_path, make(5))
    found = load_checkpoint(tmp_path)
    assert (found.step, found.state) == (5, {"loss": 0.1 + 0.2, "best": float("inf")})
    assert {group: len(values) for group, values in found.arrays.items()} == {"model": 2, "best": 1}
    for group, values in make(5).arrays.items():
        for one, other in zip(values, found.arrays[group], strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_the_last_two_are_kept(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, make(step))
    assert [path.name[:15] for path in sorted(tmp_path.iterdir())] == ["step-0000000002", "step-0000000010"]


@pytest.mark.parametrize("damage", ["torn", "altered", "empty"])
def test_a_damaged_file_gives_way_to_the_one_before(tmp_path, damage):
    save_checkpoint(tmp_path, make(1))
    path = save_checkpoint(tmp_path, make(2))
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {"torn": content[:middle], "altered": content[:middle] + b"?" + content[middle + 1 :], "empty": b""}
    path.write_bytes(damaged[damage])
    (tmp_path / "writing-1.tmp").write_bytes(content[:10])
    assert load_checkpoint(tmp_path).step == 1


def test_damaged_checkpoints_alone_are_no_beginning(tmp_path):
    paths = [save_checkpoint(tmp_path, make(step)) for step in (1, 2)]
    for path in paths:
        path.write_bytes(b"?")
    with pytest.raises(ArtifactError, match="without --resume") as caught:
        load_checkpoint(tmp_path)
    assert all(path.name in str(caught.value) for path in paths)


def test_a_full_disk_is_one_line_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, make(1))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(DeepstackError, match="No space left on device — try freeing space"):
        save_checkpoint(tmp_path, make(2))
    assert load_checkpoint(tmp_path).step == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_clearing_removes_checkpoints_and_nothing_else(tmp_path):
    assert load_checkpoint(tmp_path / "absent") is None
    save_checkpoint(tmp_path, make(1))
    (tmp_path / "notes.txt").write_text("kept")
    clear_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
