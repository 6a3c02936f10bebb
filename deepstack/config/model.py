"""Which model is built."""

from typing import Any

from pydantic import Field

from deepstack.config._room import Room


class ModelConfig(Room):
    """A name from the model catalogue and its options, which the builder's own dataclass checks."""

    name: str = Field("ultimate", description="a name printed by `deepstack models`")
    options: dict[str, Any] = Field(default_factory=dict, description="the builder's options")
