"""Which model is built."""

from typing import Any, Literal

from pydantic import Field

from deepstack.config._room import Room


class ModelConfig(Room):
    """A name from the model catalogue and its options, which the builder's own dataclass checks."""

    name: str = Field("ultimate", description="a name printed by `deepstack models`")
    head: Literal["binary", "classes", "horizons"] = Field(
        "binary",
        description="what is asked. binary: is the trade won; classes: sell, hold or buy over one horizon; "
        "horizons: that over each of several",
    )
    uncertainty: Literal["none", "aleatoric"] = Field(
        "none", description="aleatoric: each output also predicts the variance of its outcome in R"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="the builder's options")
