"""A search from its config to the winner's artifact: the test slice is opened here, once."""

import json
from pathlib import Path
from typing import Any

from deepstack.errors import DeepstackError
from deepstack.pipeline.run import run
from deepstack.progress import Progress, no_progress
from deepstack.tuning.page import write_best, write_page
from deepstack.tuning.search import HERE, Hands, Told, best_of, opened, run_trials
from deepstack.tuning.space import with_values
from deepstack.tuning.study import Study


def tune(
    study: Study, hands: Hands = HERE, *, told: Told | None = None, progress: Progress = no_progress
) -> dict[str, Any]:
    """Search, write the winner down as a config, and run it as any other.

    Args:
        study: what is searched.
        hands: who runs the trials; the artifact goes where their ledger is.
        told: of every trial as it ends.
        progress: told of all long work.

    Returns:
        What `search.json` holds, with `artifact`, the winner's folder.

    Raises:
        DeepstackError: no trial finished; see `search` for the rest.
    """
    source = opened(study, progress)
    outcomes, data = run_trials(study, source, hands, told=told, progress=progress), source.facts
    best = best_of(outcomes, study)
    if best is None:
        write_page(study, outcomes, data, None)
        raise DeepstackError(
            "trials",
            expected="one that finished",
            received=f"{len(outcomes)} that did not",
            remedy=f"more trials or time; {study.folder / 'trials.csv'} has the reasons",
        )
    write_best(study, outcomes, data)
    artifact = _artifact_of(study)
    if artifact is None:
        artifact = run(with_values(study.config, best.values), out=hands.ledger, progress=progress)
        (study.folder / "artifact").write_text(f"{artifact}\n", encoding="utf-8")
    winner = json.loads((artifact / "report.json").read_text(encoding="utf-8"))
    return write_page(study, outcomes, data, winner) | {"artifact": str(artifact)}


def _artifact_of(study: Study) -> Path | None:
    """The winner's artifact, where an earlier call made it: the test slice is not opened again."""
    path = study.folder / "artifact"
    if not path.exists():
        return None
    artifact = Path(path.read_text(encoding="utf-8").strip())
    return artifact if (artifact / "report.json").exists() else None
