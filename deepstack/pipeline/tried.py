"""What a run tried goes into the ledger, and the ledger says how much that leaves of its result."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepstack.artifact.atomic import disk_errors
from deepstack.config.run import RunConfig
from deepstack.ensembles.combine import METHODS
from deepstack.evaluation.baselines import TRAININGS
from deepstack.evaluation.deflation import deflation
from deepstack.evaluation.ledger import Ledger, Made, Trial
from deepstack.evaluation.returns import DailyReturns
from deepstack.training.fit import FitResult

TWO_STAGE = "two_stage_"
"""What the name of a model begins with that only confirms what another proposes."""
Returns = Mapping[str, Mapping[str, DailyReturns]]
"""Output → model → daily returns, the network's first."""


def tried(
    ledger: Ledger,
    returns: Returns,
    *,
    run: str,
    symbols: Sequence[str],
    config: RunConfig,
    combined: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Count every model of a run as a trial, and deflate the network's Sharpe ratio by all of the ledger.

    Args:
        ledger: of the folder that the run's artifact stands in.
        returns: of every model on the test slice.
        run: its name.
        symbols: what was traded.
        config: the network's name, resamples and seed.
        combined: of an ensemble, output → what was settled: `dropped` members and, where they were trained for it,
            their `trainings`; or the `members`, finished runs whose trainings are in the ledger already. The other ways
            of combining them are then ensembles too.

    Returns:
        The keys `trials` and `deflated` of report.json.

    Raises:
        DataError: the ledger cannot be read.
    """
    found = []
    for output, models in returns.items():
        for model, daily in models.items():
            name = config.model.name if model == "network" else model
            kind, made = _kind_and_made(model, None if combined is None else combined[output])
            found.append(
                Trial(kind, f"{name}{'' if output == 'won' else f' {output}'}", run, tuple(symbols), daily, made)
            )
    with disk_errors(ledger.path):
        ledger.append(found)
    known = ledger.trials()
    resamples, seed = config.evaluation.bootstrap_resamples, config.seed
    deflated = {
        output: deflation(models["network"], known, symbols, resamples, seed) for output, models in returns.items()
    }
    trials = max(block["trials"] for block in deflated.values())
    one = next(iter(deflated.values()))
    return {
        "trials": trials,
        "deflated": one if list(deflated) == ["won"] else {f"h{name}": block for name, block in deflated.items()},
    }


def made_by(fitted: FitResult) -> Made:
    """The choices behind one training and its threshold, the members of an ensemble and what combines them counted."""
    company = fitted.facts.get("ensemble", {}).get("company")
    return Made() if company is None else _settled(max(company.values(), key=lambda one: len(one["dropped"])))


def _settled(company: Mapping[str, Any]) -> Made:
    return Made(company.get("trainings", 0), 1, 1 + len(company["dropped"]))


def _kind_and_made(model: str, settled: Mapping[str, Any] | None) -> tuple[str, Made]:
    if settled is not None and (model == "network" or model.removeprefix("ensemble_") in METHODS):
        return "ensemble", _settled(settled)
    if model.startswith(TWO_STAGE):
        return "ensemble", Made(0, 0, 1)
    if settled is not None and model in settled.get("members", ()):
        return "training", Made(0, 1)
    if model == "network":
        return "training", Made()
    return "baseline", Made(trainings=TRAININGS.get(model, 1))
