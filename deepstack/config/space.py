"""One searched key: its range or choices as text, read into a parameter."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(
    rf"(?:(?P<repeat>\d+) x )?(?P<kind>int|float|log) (?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})"
    rf"(?: step (?P<step>{_NUMBER}))?(?P<log> log)?"
)
_EXAMPLES = "choice [128, 256], int 2..8, int 16..512 log, float 0.1..0.3 step 0.05 or log 1e-5..1e-3"


@dataclass(frozen=True)
class Parameter:
    """What a search may set one config key to.

    Attributes:
        key: dotted, as in `--set`.
        kind: `choice`, `int` or `float`.
        choices: of a choice.
        low, high: of a range, both included.
        step: of a range; None is any value.
        log: whether a range is searched by its logarithm.
        repeat: length of the list that holds the value so many times; 0 is the value itself.
        when: other searched keys → their values for which this one is searched.
    """

    key: str
    kind: Literal["choice", "int", "float"]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    repeat: int = 0
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Every choice, or both ends of the range."""
        if self.kind == "choice":
            return self.choices
        return (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)

    def setting(self, value: Any) -> Any:
        """What the key is set to when the search picks `value`."""
        if self.step and self.kind == "float":
            value = round(self.low + self.step * round((value - self.low) / self.step), 12)
        return [value] * self.repeat if self.repeat else value

    def active(self, values: Mapping[str, Any]) -> bool:
        """Whether it is searched beside these values."""
        return all(values.get(key) in allowed for key, allowed in self.when.items())


def read_parameter(key: str, text: str, when: Mapping[str, Any] | None = None) -> Parameter:
    """A parameter from its line.

    Args:
        key: of the config.
        text: `choice [a, b]`, `int 2..8`, `float 0.1..0.3`, `log 1e-5..1e-3`, with ` step s` or ` log` behind a range,
            or `10 x ` before it for a list.
        when: other keys → one value, or a list of values.

    Raises:
        ValueError: the text is none of these.
    """
    conditions = {name: tuple(v) if isinstance(v, list) else (v,) for name, v in (when or {}).items()}
    if text.startswith("choice "):
        choices = _choices(text)
        return Parameter(key, "choice", choices, when=conditions)
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{_EXAMPLES}, received {text!r}")
    low, high, step = float(found["low"]), float(found["high"]), found["step"]
    kind: Literal["int", "float"] = "int" if found["kind"] == "int" else "float"
    log = found["kind"] == "log" or found["log"] is not None
    if not low < high:
        raise ValueError(f"a lower end below the upper one, received {text!r}")
    if kind == "int" and not all(value.is_integer() for value in (low, high, float(step or 1))):
        raise ValueError(f"whole numbers after int, received {text!r}")
    if log and (low <= 0.0 or step):
        raise ValueError(f"a logarithmic range above 0 without a step, received {text!r}")
    if step and not 0.0 < float(step) <= high - low:
        raise ValueError(f"a step within the range, received {text!r}")
    return Parameter(
        key, kind, (), low, high, float(step) if step else None, log, int(found["repeat"] or 0), conditions
    )


def _choices(text: str) -> tuple[Any, ...]:
    try:
        found = yaml.safe_load(text.removeprefix("choice "))
    except yaml.YAMLError:
        found = None
    if not isinstance(found, list) or not found or any(found.count(value) > 1 for value in found):
        raise ValueError(f"different values in brackets, received {text!r}")
    return tuple(found)
