"""What was answered, what then happened, and how well the two agree; kept in a file of lines."""

import json
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from deepstack.errors import DataError

MOST = 100_000
"""Answers that wait for their outcome, and those that have it; older ones are forgotten."""

Key = tuple[str, str, str]
"""Symbol, decision time, and output or side."""


@dataclass(eq=False)
class Record:
    """Answers and outcomes.

    Attributes:
        path: a file that every answer and outcome is appended to, and read back from; None keeps nothing.
        outputs: that an outcome may name.
        classes: that an outcome may be.
    """

    path: Path | None
    outputs: tuple[str, ...]
    classes: tuple[str, ...]
    _open: "OrderedDict[Key, str]" = field(default_factory=OrderedDict)
    _matured: "OrderedDict[Key, bool]" = field(default_factory=OrderedDict)
    _confidence: list[float] = field(default_factory=list)
    _latency_ms: list[float] = field(default_factory=list)
    _count: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a kill came while the last line was written
            os.truncate(self.path, len(whole.encode()))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                tree = json.loads(line)
                self._take(tree)
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{self.path}:{number}",
                    expected="an answer or an outcome",
                    received=str(error),
                    remedy="deleting the line, or another --record",
                ) from error

    def answered(self, rows: list[dict[str, Any]], latency_ms: float) -> None:
        """Remember answers."""
        with self._lock:
            trees = [
                {
                    "answer": [row["symbol"], row["decision_time"], self._which(row)],
                    "prediction": row["prediction"],
                    "confidence": row["confidence"],
                    "latency_ms": latency_ms,
                }
                for row in rows
            ]
            self._write(trees)

    def happened(self, outcomes: Any) -> dict[str, int]:
        """Remember outcomes: `symbol`, `decision_time`, `outcome`, and `horizon` or `side` where the answer had one.

        Returns:
            `matched`, and `unknown`: those of decisions nobody answered, or that are told again.

        Raises:
            DataError: no list of such.
        """
        if not isinstance(outcomes, list) or not all(isinstance(one, dict) for one in outcomes):
            raise DataError("outcomes", expected="a list of objects", received=str(outcomes)[:60], remedy="that")
        trees = []
        for number, one in enumerate(outcomes):
            place = f"outcomes[{number}]"
            for name in ("symbol", "decision_time", "outcome"):
                if not isinstance(one.get(name), str):
                    raise DataError(
                        f"{place}.{name}", expected="text", received=repr(one.get(name)), remedy="giving it"
                    )
            if one["outcome"] not in self.classes:
                raise DataError(
                    f"{place}.outcome",
                    expected=" or ".join(self.classes),
                    received=repr(one["outcome"])[:40],
                    remedy="one of these",
                )
            key = [one["symbol"], one["decision_time"], self._which(one)]
            trees.append({"outcome": key, "was": one["outcome"]})
        with self._lock:
            known = {tuple(tree["outcome"]): tree for tree in reversed(trees) if tuple(tree["outcome"]) in self._open}
            self._write(list(known.values())[::-1])
        return {"matched": len(known), "unknown": len(trees) - len(known)}

    def metrics(self) -> dict[str, Any]:
        """`model_accuracy` over outcomes that are known, `prediction_latency` ms and `model_confidence`, and counts."""
        with self._lock:
            latency = np.percentile(self._latency_ms, [50, 90, 99]).tolist() if self._latency_ms else [None] * 3
            return {
                "model_accuracy": float(np.mean(list(self._matured.values()))) if self._matured else None,
                "prediction_latency": dict(zip(("p50_ms", "p90_ms", "p99_ms"), latency, strict=True)),
                "model_confidence": float(np.mean(self._confidence)) if self._confidence else None,
                "predictions": self._count,
                "outcomes": len(self._matured),
                "waiting": len(self._open),
            }

    def _which(self, row: dict[str, Any]) -> str:
        return str(row.get("horizon") or row.get("side") or "")

    def _write(self, trees: list[dict[str, Any]]) -> None:
        if self.path is not None and trees:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(tree) + "\n" for tree in trees))
        for tree in trees:
            self._take(tree)

    def _take(self, tree: dict[str, Any]) -> None:
        if "answer" in tree:
            symbol, time, which = tree["answer"]
            self._open[symbol, time, which] = tree["prediction"]
            self._confidence.append(float(tree["confidence"]))
            self._latency_ms.append(float(tree["latency_ms"]))
            self._count += 1
        else:
            symbol, time, which = tree["outcome"]
            self._matured[symbol, time, which] = self._open.pop((symbol, time, which)) == tree["was"]
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        while len(self._matured) > MOST:
            self._matured.popitem(last=False)
        del self._confidence[:-MOST], self._latency_ms[:-MOST]
