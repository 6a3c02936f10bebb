"""Refusing a run that cannot fit the machine, which would otherwise end in an allocation error or a killed process."""

import os
from contextlib import suppress
from pathlib import Path

import tensorflow as tf

from deepstack.errors import ConfigError

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def require_memory(planned_mb: float) -> None:
    """Compare what a run will need with all the memory there is.

    What other programs hold at the moment may be free in the next; what the machine does not have never comes. Where
    GPUs or several machines share the work, this machine's memory decides nothing and nothing is refused.

    Args:
        planned_mb: the largest of a plan.

    Raises:
        ConfigError: the plan needs more.
    """
    if os.environ.get("TF_CONFIG") or tf.config.list_physical_devices("GPU"):
        return
    there = machine_memory_mb()
    if planned_mb > there:
        raise ConfigError(
            "memory",
            expected=f"at most the {there / 1e3:,.1f} GB of this machine",
            received=f"a plan that needs {planned_mb / 1e3:,.1f} GB",
            remedy="a smaller training.batch_size or smaller model.options",
        )


def machine_memory_mb() -> float:
    """Memory of the machine, or of the container where that is less."""
    limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such file outside Linux, and the word `max` without a limit
        limit = min(limit, int(_CONTAINER_LIMIT.read_text()))
    return limit / 1e6
