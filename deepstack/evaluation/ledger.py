"""The trial ledger: every strategy that was tried on a data set, with what it returned there.

A Sharpe ratio means little until one knows out of how many it was picked. The ledger is one file of JSON lines beside
the artifacts; whatever judges a strategy on a stretch of time appends to it, and whoever reports one asks it how many
others were tried on the same symbols in overlapping time.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from deepstack.errors import DataError
from deepstack.evaluation.returns import DailyReturns

LEDGER = "ledger.jsonl"
CUT_OFF = '{"kind": "'
"""How a trial's line begins."""
DIGITS = 9


@dataclass(frozen=True)
class Made:
    """Choices made on the data for one strategy.

    Attributes:
        trainings: of models, a fold and a seed each; those of an ensemble's members count where a member does not.
        thresholds: chosen for its decisions.
        ensembles: members left out, and combinations settled.
    """

    trainings: int = 1
    thresholds: int = 1
    ensembles: int = 0

    def __post_init__(self) -> None:
        if any(type(count) is not int or count < 0 for count in self._counts):
            raise ValueError("counts of choices that are none")

    @property
    def choices(self) -> int:
        """All of them; a strategy that took none is one itself."""
        return max(1, sum(self._counts))

    @property
    def _counts(self) -> tuple[int, ...]:
        return self.trainings, self.thresholds, self.ensembles


@dataclass(frozen=True, eq=False)
class Trial:
    """One strategy, tried once.

    Attributes:
        kind: `training`, `baseline`, `tuning` or `ensemble`.
        name: of the strategy: a model, with its output where there are several.
        run: where it was tried.
        symbols: what it traded.
        returns: on the slice it was judged on; its days are the time it was tried on.
        made: the choices made on the data for it.
        until: ISO 8601 time up to which the winner among such trials will be judged, where that is later.
    """

    kind: str
    name: str
    run: str
    symbols: tuple[str, ...]
    returns: DailyReturns
    made: Made = Made()
    until: str = ""

    def __post_init__(self) -> None:
        if not len(self.returns.values) or not np.isfinite(self.returns.values).all():
            raise ValueError("returns that are none")

    @property
    def id(self) -> str:
        """The same for the same strategy with the same returns: trying it again finds nothing new."""
        # Rounded as in the file, so that what is read has the id of what was written.
        known = [self.kind, self.name, sorted(self.symbols), str(self.returns.days[0]), _rounded(self.returns.values)]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:20]

    def overlaps(self, symbols: Iterable[str], days: pd.DatetimeIndex) -> bool:
        """Whether it was tried on, or for, one of the symbols at one of the times."""
        shared = set(self.symbols) & set(symbols)
        last = max(self.returns.days[-1], pd.Timestamp(self.until)) if self.until else self.returns.days[-1]
        return bool(shared) and self.returns.days[0] <= days[-1] and days[0] <= last


@dataclass(frozen=True)
class Ledger:
    """A ledger file; it need not exist yet.

    Attributes:
        path: of the file.
    """

    path: Path
    _lock: FileLock = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lock", FileLock(self.path.with_name(f".{self.path.name}.lock")))

    def append(self, trials: Sequence[Trial]) -> None:
        """Write trials that are not in it yet, all or none, whoever else is writing.

        Raises:
            DataError: a line of the file is none of a ledger's.
            OSError: it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            known = {trial.id for trial in self.trials()}
            new = {trial.id: trial for trial in trials if trial.id not in known}
            text = "".join(json.dumps(_tree(trial)) + "\n" for trial in new.values())
            lines = self._lines()
            with self.path.open("ab") as file:
                # A line cut off by a kill is gone, or the next would be joined to it.
                file.truncate(len("".join(lines).encode()))
                file.write(("\n" if lines and not lines[-1].endswith("\n") else "").encode() + text.encode())

    def trials(self) -> list[Trial]:
        """All of them, each once.

        Raises:
            DataError: names the line that is none of a ledger's; one cut off at the end by a kill is passed over.
        """
        found = (self._trial(number, line) for number, line in enumerate(self._lines(), 1))
        return list({trial.id: trial for trial in found}.values())

    def _lines(self) -> list[str]:
        """Every line with its end, but for a last one that a kill has cut off: the beginning of a trial and no more."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().decode(errors="replace").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n") and CUT_OFF.startswith(lines[-1][: len(CUT_OFF)]):
            try:
                json.loads(lines[-1])
            except ValueError:
                return lines[:-1]
        return lines

    def _trial(self, number: int, line: str) -> Trial:
        try:
            tree = json.loads(line)
            symbols, values, made = tree["symbols"], tree["returns"], _made(tree["choices"])
            texts = [tree[key] for key in ("kind", "name", "run", "first_day")]
            if not isinstance(symbols, list) or not all(isinstance(text, str) for text in (*symbols, *texts)):
                raise ValueError("names that are none")
            if not isinstance(values, list):
                raise ValueError("returns that are none")
            returns = np.array(values, np.float64)
            if returns.ndim != 1:
                raise ValueError("returns that are none")
            days = pd.date_range(texts[3], periods=len(returns), freq="D", tz="UTC")
            kind, name, run, _ = texts
            until = tree.get("until", "")
            if until and pd.Timestamp(until).tz is None:
                raise ValueError("a time without its zone")
            return Trial(kind, name, run, tuple(symbols), DailyReturns(days, returns), made, until)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise DataError(
                f"{self.path}:{number}",
                expected="a trial as deepstack writes them",
                received=f"something else ({error})",
                remedy="mending the line or moving the file away, which forgets what was tried",
            ) from error


def _made(tree: Any) -> Made:
    """The counts of a line; one number, as older lines have it, tells the kinds not apart."""
    return Made(**tree) if isinstance(tree, dict) else Made(trainings=tree, thresholds=0)


def _tree(trial: Trial) -> dict[str, Any]:
    return {
        "kind": trial.kind,
        "name": trial.name,
        "run": trial.run,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "symbols": list(trial.symbols),
        "choices": asdict(trial.made),
        **({"until": trial.until} if trial.until else {}),
        "first_day": trial.returns.days[0].date().isoformat(),
        "returns": _rounded(trial.returns.values),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
