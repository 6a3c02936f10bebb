"""The promises, their bars and what was last measured: `python benchmarks/summary.py > docs/performance.md`.

Reads benchmarks/results/*.json; measures nothing. A result names its bars in one of two ways: `promises`, a list of
{promise, unit, bar, measured, met}, or `bars`, a dict of name → [measured, relation, bar].
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
RELATIONS = {"<=": "≤", ">=": "≥", "in": "within"}

OPENING = """\
# Performance

Made by `python benchmarks/summary.py > docs/performance.md` from `benchmarks/results/`; do not edit by hand.

Each benchmark prints its figures, writes them as JSON and compares them with its bars: every ratio comes from one run
of one script on one machine. The figures were measured on 2 CPU cores without a GPU. `make bench` runs them all.

| promise | bar | measured | met | command |
|---|---|---:|---|---|
"""

CLOSING = """
Single rows through a deep network are many small matrix products, where oneDNN's set-up costs more than the product:
serve with `TF_ENABLE_ONEDNN_OPTS=0` (docs/artifact.md). Training is the other way round: leave it at its default there.
"""


@dataclass(frozen=True)
class Row:
    """One promise as the table shows it."""

    promise: str
    bar: str
    measured: str
    met: bool | None
    command: str


def main() -> None:
    rows = [row for path in sorted(RESULTS.glob("*.json")) for row in rows_of(path.stem, json.loads(path.read_text()))]
    lines = [f"| {row.promise} | {row.bar} | {row.measured} | {_verdict(row.met)} | `{row.command}` |" for row in rows]
    print(OPENING + "\n".join(lines) + "\n" + CLOSING, end="")


def rows_of(name: str, result: dict[str, Any]) -> Iterator[Row]:
    """The rows of one benchmark's result."""
    command = result.get("command", f"python benchmarks/{name}.py")
    for promise in result.get("promises", []):
        unit = "×" if promise["unit"] == "times" else f" {promise['unit']}"
        relation = promise.get("relation", "<=")
        yield Row(
            promise["promise"],
            f"{RELATIONS[relation]} {promise['bar']:g}{unit}",
            f"{promise['measured']:.3g}{unit}",
            promise["met"],
            command,
        )
    for bar, (measured, relation, limit) in result.get("bars", {}).items():
        yield Row(
            bar.replace("_", " ").replace("|", "\\|"),
            f"{RELATIONS[relation]} {_limit(limit)}",
            f"{measured:.3g}",
            _met(measured, relation, limit),
            command,
        )


def _limit(limit: Any) -> str:
    return f"{limit[0]:g} … {limit[1]:g}" if isinstance(limit, list) else f"{limit:g}"


def _met(measured: float, relation: str, limit: Any) -> bool:
    if relation == "in":
        return bool(limit[0] <= measured <= limit[1])
    return bool(measured <= limit if relation == "<=" else measured >= limit)


def _verdict(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "**no**"


if __name__ == "__main__":
    main()
