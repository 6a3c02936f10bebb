"""Where a step runs: one process, the GPUs of one machine, or several machines (docs/distributed.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import tensorflow as tf

from deepstack.errors import ConfigError, DeepstackError
from deepstack.training.tf_config import worker_addresses


class WorkerLostError(DeepstackError):
    """Another worker of a multi-worker run is gone, so no further step can be taken."""


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy of `training.strategy`.

    auto: multi_worker if TF_CONFIG names more than one worker, else mirrored on two or more GPUs, else none.
    mirrored: all GPUs of the machine, or all its logical CPU devices where it has no GPU.
    none: TensorFlow's default strategy, one replica.

    Raises:
        ConfigError: a TF_CONFIG that cannot be used, or multi_worker without one or asked for after TensorFlow has
            started to work.
    """
    if name == "auto":
        name = (
            "multi_worker"
            if len(worker_addresses()) > 1
            else "mirrored"
            if len(tf.config.list_logical_devices("GPU")) > 1
            else "none"
        )
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return _mirrored(tuple(device.name for device in _devices()))
    if not worker_addresses():
        raise ConfigError(
            "TF_CONFIG",
            expected='JSON with cluster.worker and task, like {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": …}',
            received="nothing",
            remedy="setting it on every machine, see docs/distributed.md",
        )
    try:
        return _multi_worker()
    except RuntimeError as error:
        raise ConfigError(
            "training.strategy multi_worker",
            expected="to be set up before any other TensorFlow operation of the process",
            received=str(error),
            remedy="starting the run in a fresh process",
        ) from error


def require_one_clock(strategy: tf.distribute.Strategy, minutes: float | None) -> None:
    """Refuse to end training by time where processes whose clocks differ must end it at one step.

    Raises:
        ConfigError: a limit for several workers.
    """
    if minutes is not None and isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ConfigError(
            "training.minutes",
            expected="no limit with several workers, whose clocks differ",
            received=f"{minutes:g}",
            remedy="training.epochs",
        )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files of the run."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_type == "worker" and resolver.task_id == 0)


def replica_numbers(strategy: tf.distribute.Strategy, context: tf.distribute.InputContext) -> range:
    """Numbers of the replicas fed by one process, in the order in which the strategy gathers them."""
    local = strategy.num_replicas_in_sync // context.num_input_pipelines
    return range(context.input_pipeline_id * local, (context.input_pipeline_id + 1) * local)


def distributed(
    strategy: tf.distribute.Strategy, batches: Callable[[range, int], tf.data.Dataset]
) -> tf.distribute.DistributedDataset:
    """Batches for this process alone: `batches(replica numbers of the process, replicas in all)` is its dataset.

    Each process gathers only its own rows by index, so no row crosses the network.
    """
    total = strategy.num_replicas_in_sync
    return strategy.distribute_datasets_from_function(
        lambda context: batches(replica_numbers(strategy, context), total)
    )


@contextmanager
def lost_worker_reported(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turn the failure of a collective operation into one line that says what to do.

    Raises:
        WorkerLostError: a peer went away inside the block.
    """
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ) as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        raise WorkerLostError(
            "multi_worker",
            expected=f"all {strategy.num_replicas_in_sync} replicas to answer",
            received=f"{type(error).__name__}: {error.message.splitlines()[0]}",
            remedy="starting every worker again with --resume: the run goes on from its last checkpoint",
        ) from error


def check_agreement(strategy: tf.distribute.Strategy, step: int) -> None:
    """Make sure that every process of the run starts at the same step.

    Raises:
        ConfigError: the processes found different checkpoints.
    """
    steps = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(step, tf.int64))
    total, replicas = int(strategy.reduce(tf.distribute.ReduceOp.SUM, steps, axis=None)), strategy.num_replicas_in_sync
    if total != step * replicas:
        raise ConfigError(
            "multi_worker --resume",
            expected="the same checkpoint on every worker",
            received=f"step {step} here, {total / replicas:g} on average",
            remedy="an --out folder that all workers share",
        )


# One strategy a process: a second one numbers its collectives from the start again, and TensorFlow takes them for those
# of the first ("Collective instance … expected type").
@cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices))


@cache
def _multi_worker() -> tf.distribute.Strategy:
    return tf.distribute.MultiWorkerMirroredStrategy()


def _devices() -> list[tf.config.LogicalDevice]:
    return tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
