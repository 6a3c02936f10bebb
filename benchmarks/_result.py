"""What a benchmark leaves behind: its figures as JSON, and a verdict on each of its bars."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SIGNS = {"<=": "≤", ">=": "≥", "in": "within"}


@dataclass(frozen=True)
class Bar:
    """One promise: what was measured, and the limit it must keep.

    Args:
        promise: what the user is told.
        measured: the figure.
        relation: `"<="`, `">="`, or `"in"` for a `[low, high]` limit.
        limit: the bar.
        unit: of both, `""` for a plain number, `"×"` for a ratio.
    """

    promise: str
    measured: float
    relation: str
    limit: float | list[float]
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        if isinstance(self.limit, list):
            return self.limit[0] <= self.measured <= self.limit[1]
        return self.measured <= self.limit if self.relation == "<=" else self.measured >= self.limit

    @property
    def bound(self) -> str:
        """The limit as text."""
        low, high = self.limit if isinstance(self.limit, list) else (self.limit, None)
        return f"{SIGNS[self.relation]} {low:g}{self._unit}" + (f" … {high:g}{self._unit}" if high else "")

    @property
    def figure(self) -> str:
        """What was measured as text: three digits."""
        size = abs(self.measured)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
        return f"{self.measured:,.{digits}f}{self._unit}" if size >= 0.001 else f"{self.measured:.1g}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit.isalpha() else self.unit


def write_result(name: str, bars: list[Bar], **figures: Any) -> int:
    """Write `results/<name>.json`, print the verdicts; returns the process' exit code, 1 when a bar is missed."""
    RESULTS.mkdir(exist_ok=True)
    result = {"bars": [asdict(bar) for bar in bars], "cores": os.cpu_count(), **figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for bar in bars:
        print(f"{'met   ' if bar.met else 'MISSED'}  {bar.promise}: {bar.figure}, bar {bar.bound}", flush=True)
    return 0 if all(bar.met for bar in bars) else 1


def read_result(name: str) -> tuple[list[Bar], dict[str, Any]]:
    """The bars and the other figures that `write_result` wrote."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return [Bar(**bar) for bar in result.pop("bars")], result
