"""Several processes, one run: the chief opens the workspace, judges and publishes; the others train with it."""

import time
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepstack.artifact.workspace import CONFIG, Workspace, open_workspace
from deepstack.config.read import first_difference, read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError, ConfigError
from deepstack.training.strategy import WorkerLostError, is_chief, lost_worker_reported

NAME_BYTES = 512
"""Room for the folder's name in the message from the chief; file systems allow 255 bytes."""
SHARED_FOLDER_S = 60.0
"""How long a worker waits for what the chief has written to appear: shared file systems show it late."""


def open_for_all(
    strategy: tf.distribute.Strategy, out: Path, run: str, config: RunConfig, *, resume: bool
) -> tuple[Workspace | None, Path, bool]:
    """Open the workspace once for all processes of a run.

    Args:
        strategy: of the run; with one process nothing is sent.
        out: folder of the artifacts, shared by all processes.
        run: name for a fresh run.
        config: the same in every process.
        resume: continue the newest unfinished run of this config.

    Returns:
        The workspace (None unless this process is the chief), its folder, and whether the run was begun earlier.

    Raises:
        ArtifactError: nothing to resume, a disk that refuses, or a folder that this worker does not see.
        ConfigError: another config than the unfinished run's or the chief's.
        WorkerLostError: the chief could not open it and has ended.
    """
    workspace = open_workspace(out, run, config, resume=resume) if is_chief(strategy) else None
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        assert workspace is not None
        return workspace, workspace.folder, workspace.resumed
    told = "" if workspace is None else f"{'+' if workspace.resumed else '-'}{workspace.run}"
    heard = _from_chief(strategy, told)
    folder = out / ".running" / heard[1:]
    if workspace is None:
        _check_shared(folder, config)
    return workspace, folder, heard[0] == "+"


def end_together(strategy: tf.distribute.Strategy, artifact: Path, *, chief: bool) -> Path:
    """Keep the other processes until the chief has published: TensorFlow takes one that leaves early for crashed.

    Args:
        strategy: of the run; with one process there is nobody to wait for.
        artifact: the folder the chief publishes.
        chief: whether this process is the chief.

    Returns:
        `artifact`, which this process now sees.

    Raises:
        WorkerLostError: the chief has ended without publishing.
        ArtifactError: the folder does not appear here.
    """
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        # What the chief has published stands, whoever has left meanwhile.
        with suppress(WorkerLostError) if chief else nullcontext():
            _from_chief(strategy, "")
        _wait_for(artifact)
    return artifact


def _from_chief(strategy: tf.distribute.Strategy, text: str) -> str:
    """The text of the chief, in every process: its bytes, summed with everybody else's zeros."""
    message = np.zeros(NAME_BYTES, np.int32)
    message[: len(text.encode())] = list(text.encode())

    def value(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
        return tf.constant(message if context.replica_id_in_sync_group == 0 else np.zeros_like(message))

    with lost_worker_reported(strategy):
        values = strategy.experimental_distribute_values_from_function(value)
        total = strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()
    return bytes(total[total > 0].tolist()).decode()


def _check_shared(folder: Path, config: RunConfig) -> None:
    """Compare the chief's config with this worker's.

    Raises:
        ConfigError: names the first key that differs.
    """
    _wait_for(folder / CONFIG)
    difference = first_difference(read_config(folder / CONFIG), config)
    if difference is not None:
        raise ConfigError(
            str(folder / CONFIG),
            expected="the chief's config on every worker",
            received=f"another here: {difference}",
            remedy="the same config file, --set and --data on every machine",
        )


def _wait_for(path: Path) -> None:
    """Wait until a file or folder of the chief is seen here.

    Raises:
        ArtifactError: it does not appear.
    """
    deadline = time.monotonic() + SHARED_FOLDER_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise ArtifactError(
                str(path),
                expected="what the chief wrote, in a folder that all workers share",
                received=f"nothing there after {SHARED_FOLDER_S:g} s",
                remedy="--out with a folder on a shared file system",
            )
        time.sleep(0.2)
