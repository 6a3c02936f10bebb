"""What a search may change, and what it looks for."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from deepstack.config._room import Room
from deepstack.config.folds import FoldsConfig
from deepstack.config.space import Parameter, read_parameter


class Conditional(Room):
    """A parameter that is searched only beside some values of others."""

    space: str
    when: dict[str, Any] = Field(min_length=1)


class TuningConfig(Room):
    """The space of `deepstack tune`, and how a trial is judged; a run does not read it."""

    space: dict[str, str | Conditional] = Field(
        default_factory=dict,
        description="key → `choice [..]`, `int a..b`, `float a..b`, `log a..b`, with ` step s` or ` log` behind a "
        "range or `n x ` before it for a list; or `{space: .., when: {key: value}}`",
    )
    objective: Literal["auc", "log_loss", "expectancy_r"] = Field(
        "auc", description="mean over the folds' test stretches; expectancy_r is net of costs, of the trades taken"
    )
    folds: FoldsConfig = Field(FoldsConfig(), description="of the bars before the test slice, which no trial sees")
    grow: bool = Field(
        False, description="begin a deeper stack with the weights of the best shallower one of equal width"
    )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The space, those that others depend on first."""
        found = [
            read_parameter(key, one) if isinstance(one, str) else read_parameter(key, one.space, one.when)
            for key, one in self.space.items()
        ]
        placed: dict[str, Parameter] = {}
        while len(placed) < len(found):
            ready = [p for p in found if p.key not in placed and all(key in placed for key in p.when)]
            if not ready:
                raise ValueError("conditions on other searched keys, without a circle, received others")
            placed |= {parameter.key: parameter for parameter in ready}
        return tuple(placed.values())

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        parameters = {parameter.key: parameter for parameter in self.parameters}
        for parameter in parameters.values():
            for key, allowed in parameter.when.items():
                if parameters[key].kind != "choice" or not set(map(repr, allowed)) <= set(
                    map(repr, parameters[key].choices)
                ):
                    raise ValueError(f"conditions on the choices of {key}, received {list(allowed)}")
        return self
