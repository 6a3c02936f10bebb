"""What a stream waits for and when it stops waiting."""

import math
from dataclasses import dataclass, fields

from deepstack.errors import ConfigError


@dataclass(frozen=True)
class Rules:
    """Times and counts of a stream.

    Attributes:
        wait_s: longest wait for the other symbols' bars of a moment, where features look at them.
        deadline_ms: of the main model's answer; the fallback answers then, and it counts as a failure. None for none.
        failures: in a row, after which the fallback answers.
        retry_s: rest before the main model is tried again.
        attention_symbols: symbols whose keys and values are kept, of a transformer that can go bar by bar; 0 for none.
        attention_s: how long after a symbol's last bar; by default longer than a day, for daily bars.

    Raises:
        ConfigError: one that is negative or not finite, or no failures allowed.
    """

    wait_s: float = 5.0
    deadline_ms: float | None = None
    failures: int = 3
    retry_s: float = 30.0
    attention_symbols: int = 1024
    attention_s: float = 90_000.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 1 if field.name == "failures" else 0
            if value is not None and not (least <= value and math.isfinite(value)):
                option = f"--{field.name.replace('_', '-')}"
                raise ConfigError(option, expected=f"{least} or more", received=f"{value:g}", remedy=f"{field.default}")
