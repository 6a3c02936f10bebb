"""Running independent jobs in turn, over the machine's processes or over a cluster, through joblib."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import joblib

from deepstack.errors import ConfigError, DataError
from deepstack.progress import Progress

Backend = Literal["loky", "dask", "ray"]


def in_parallel(
    function: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    *,
    workers: int,
    backend: Backend,
    progress: Progress,
) -> None:
    """Call a function once a job and wait for all.

    Args:
        function: picklable.
        jobs: its arguments, one tuple a job, picklable.
        names: of the jobs, for progress.
        workers: processes at a time; with a cluster, as many as it has.
        backend: `loky`, processes of this machine; `dask`, the cluster at DASK_SCHEDULER_ADDRESS or one made here;
            `ray`, the cluster at RAY_ADDRESS or one made here.
        progress: told as each job is done.

    Raises:
        ConfigError: a backend that is not installed.
    """
    with _cluster(backend, workers):
        # Two processes that each use all cores take longer than one after the other.
        threads = max(1, (os.cpu_count() or 1) // workers)
        calls = (joblib.delayed(_limited)(threads, function, *job) for job in jobs)
        # Ray gives nothing back before all is done.
        done = joblib.Parallel(n_jobs=workers, return_as="list" if backend == "ray" else "generator_unordered")(calls)
        progress("fits", 0, len(jobs), f"{workers} at a time")
        for number, _ in enumerate(done, 1):
            progress("fits", number, len(jobs), ", ".join(names[:number][-1:]))


def require_returned(missing: Sequence[str], folder: Path) -> None:
    """Refuse to go on without what a worker of another machine has written elsewhere.

    Raises:
        DataError: names it.
    """
    if missing:
        raise DataError(
            str(folder),
            expected="what the workers made, in a folder that all machines share",
            received=f"nothing of {', '.join(missing)}",
            remedy="--out on a disk that every machine of the cluster mounts at the same place",
        )


def _limited(threads: int, function: Callable[..., Any], *job: Any) -> Any:
    """The job with its share of the cores; a worker's TensorFlow takes its settings before its first operation."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    # A job that handed parts of itself to the cluster would let another one into its process, and Keras' seeds are the
    # process's.
    with joblib.parallel_config("threading"):
        return function(*job)


@contextmanager
def _cluster(backend: Backend, workers: int) -> Iterator[None]:
    if backend == "loky":
        with joblib.parallel_config("loky"):
            yield
    elif backend == "dask":
        with _dask(workers):
            yield
    else:
        _register_ray()
        with joblib.parallel_config("ray"):
            yield


@contextmanager
def _dask(workers: int) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError as error:
        raise _missing("dask", "pip install 'deepstack[dask]'") from error
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    client = Client(address) if address else Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    with client, joblib.parallel_config("dask"):
        yield


def _register_ray() -> None:
    try:
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise _missing("ray", "pip install 'deepstack[ray]'") from error
    register_ray()


def _missing(name: str, remedy: str) -> ConfigError:
    return ConfigError(f"--backend {name}", expected=f"{name} installed", received="none", remedy=remedy)
