"""TF_CONFIG, by which each process of a multi-worker run knows the others; docs/distributed.md.

TensorFlow takes most mistakes in it for a run of one process, or fails far away from it; here they are refused.
"""

import os
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deepstack.errors import ConfigError

Address = Annotated[str, Field(pattern=r"^\S+:[0-9]+$")]


class Cluster(BaseModel):
    """Addresses of all processes; one is chief, the first worker where none is named."""

    model_config = ConfigDict(extra="forbid")

    chief: list[Address] = Field([], max_length=1)
    worker: list[Address] = []


class Task(BaseModel):
    """Which of the cluster's processes this one is."""

    type: Literal["chief", "worker"]
    index: int = Field(ge=0)


class TfConfig(BaseModel):
    """The parts of TF_CONFIG that a run reads; launchers add others."""

    cluster: Cluster
    task: Task

    @model_validator(mode="after")
    def _be_in_the_cluster(self) -> Self:
        known = len(getattr(self.cluster, self.task.type))
        if self.task.index >= known:
            raise ValueError(f"task {self.task.type} {self.task.index} of a cluster with {known} of that type")
        return self


def worker_addresses() -> list[str]:
    """The processes TF_CONFIG names, the chief first; none where it is not set.

    Raises:
        ConfigError: it is set, and is not what `MultiWorkerMirroredStrategy` needs; the first wrong key is named.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return []
    try:
        cluster = TfConfig.model_validate_json(text).cluster
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        raise ConfigError(
            "TF_CONFIG" + (f" {key}" if key else ""),
            expected='JSON like {"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}',
            received=f"{text if len(text) <= 200 else text[:197] + '...'} ({problem['msg']})",
            remedy="see docs/distributed.md for its form",
        ) from error
    return [*cluster.chief, *cluster.worker]
