"""The base of every config room: frozen, and a key it does not know is refused."""

from pydantic import BaseModel, ConfigDict


class Room(BaseModel):
    """One section of a config file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)
