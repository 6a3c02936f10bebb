"""A run works out of sight, is continued after a kill, belongs to one process, and appears whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deepstack.artifact.manifest import verify_manifest, write_manifest
from deepstack.artifact.workspace import Workspace, open_workspace, publish, release, removed_if_unused
from deepstack.config.read import read_config
from deepstack.errors import ArtifactError, ConfigError

CONFIG = read_config(None, ["name=tiny"])
OTHER = read_config(None, ["name=tiny", "training.epochs=3"])


def finish(workspace: Workspace) -> Path:
    (workspace.folder / "report.json").write_text("{}")
    write_manifest(workspace.folder, CONFIG, run=workspace.run, data={}, features=())
    return publish(workspace)


def test_a_run_appears_whole_under_its_name(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "new" / "out", "tiny-1", CONFIG)
    assert workspace.folder == tmp_path / "new" / "out" / ".running" / "tiny-1"
    assert not workspace.resumed
    assert not (workspace.out / "tiny-1").exists()
    folder = finish(workspace)
    assert folder == workspace.out / "tiny-1"
    assert not workspace.folder.exists()
    verify_manifest(folder)


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    finish(open_workspace(tmp_path, "tiny-1", CONFIG))
    second, third = open_workspace(tmp_path, "tiny-1", CONFIG), open_workspace(tmp_path, "tiny-1", CONFIG)
    assert (second.run, third.run) == ("tiny-1-2", "tiny-1-3")
    release(second)
    release(third)


def test_nothing_unfinished_is_published(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path, "tiny-1", CONFIG)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        publish(workspace)
    assert workspace.folder.is_dir()
    release(workspace)


def test_publishing_never_replaces_a_folder(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path, "tiny-1", CONFIG)
    (tmp_path / "tiny-1").mkdir()
    with pytest.raises(ArtifactError, match="free name"):
        finish(workspace)
    assert workspace.folder.is_dir()
    release(workspace)


def test_resume_takes_the_newest_unfinished_run_of_the_same_config(tmp_path: Path) -> None:
    for age, (run, config) in enumerate([("tiny-1", CONFIG), ("tiny-2", CONFIG), ("tiny-3", OTHER)]):
        workspace = open_workspace(tmp_path, run, config)
        os.utime(workspace.folder / "config.yaml", (1_000_000 + age, 1_000_000 + age))
        (workspace.folder / ".part-1-half").write_text("torn")
        (workspace.folder / "state").write_text(run)
        release(workspace)
    resumed = open_workspace(tmp_path, "tiny-9", CONFIG, resume=True)
    assert (resumed.run, resumed.resumed) == ("tiny-2", True)
    assert sorted(path.name for path in resumed.folder.iterdir()) == ["config.yaml", "state"]
    assert (resumed.folder / "state").read_text() == "tiny-2"
    release(resumed)


def test_resume_with_another_config_names_the_first_difference(tmp_path: Path) -> None:
    release(open_workspace(tmp_path, "tiny-1", CONFIG))
    with pytest.raises(ConfigError, match=r"training\.epochs 10 there and 3 here"):
        open_workspace(tmp_path, "tiny-2", OTHER, resume=True)


def test_resume_passes_over_a_run_it_cannot_read(tmp_path: Path) -> None:
    release(open_workspace(tmp_path, "tiny-1", CONFIG))
    broken = open_workspace(tmp_path, "other-1", OTHER)
    (broken.folder / "config.yaml").write_text("training: [")
    release(broken)
    resumed = open_workspace(tmp_path, "tiny-2", CONFIG, resume=True)
    assert resumed.run == "tiny-1"
    finish(resumed)
    with pytest.raises(ArtifactError, match=r"other-1/config\.yaml: .*cannot be read.*without --resume"):
        open_workspace(tmp_path, "tiny-2", CONFIG, resume=True)


def test_a_mistake_before_training_leaves_nothing(tmp_path: Path) -> None:
    first, second = open_workspace(tmp_path, "tiny-1", CONFIG), open_workspace(tmp_path, "tiny-2", CONFIG)
    for workspace, left in ((first, [second.folder]), (second, [])):
        with pytest.raises(ConfigError), removed_if_unused(workspace):
            raise ConfigError("x", expected="a", received="b", remedy="c")
        assert list(tmp_path.glob(".running/*")) == left
    assert not list(tmp_path.iterdir())


def test_resume_with_nothing_to_resume_says_so(tmp_path: Path) -> None:
    finish(open_workspace(tmp_path, "tiny-1", CONFIG))
    with pytest.raises(ArtifactError, match="without --resume"):
        open_workspace(tmp_path, "tiny-2", CONFIG, resume=True)


def test_two_processes_never_share_a_run_and_a_kill_frees_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from deepstack.artifact.workspace import open_workspace\n"
        "from deepstack.config.read import read_config\n"
        "open_workspace(Path(sys.argv[1]), 'tiny-1', read_config(None, ['name=tiny']))\n"
        "print('open', flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=root, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        with pytest.raises(ArtifactError, match="no other process"):
            open_workspace(tmp_path, "x", CONFIG, resume=True)
        owner.send_signal(signal.SIGKILL)
    resumed = open_workspace(tmp_path, "x", CONFIG, resume=True)
    assert resumed.run == "tiny-1"
    release(resumed)


def test_an_out_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ArtifactError, match="out"):
        open_workspace(tmp_path / "out", "tiny-1", CONFIG)
