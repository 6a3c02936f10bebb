"""What a search leaves behind: trials.csv, plots, the best config, and a page that tells what the winner was worth."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import deepstack
from deepstack.artifact.atomic import write_atomic
from deepstack.config.read import dump_config
from deepstack.evaluation import report
from deepstack.evaluation.report import json_ready, png
from deepstack.tuning.outcome import Outcome
from deepstack.tuning.plots import figures, importance
from deepstack.tuning.search import best_of, front_of
from deepstack.tuning.space import with_values
from deepstack.tuning.study import Study

BEST = "best.yaml"
COLUMNS = ("trial", "state", "score", "folds", "seconds", "training_s", "epochs", "parameters", "latency_ms")


def write_best(study: Study, outcomes: Sequence[Outcome], data: Mapping[str, Any]) -> Path | None:
    """The winner as an ordinary config, with its provenance at its head; None without a finished trial."""
    best = best_of(outcomes, study)
    if best is None:
        return None
    tuning = study.config.tuning
    picked = ", ".join(f"{key}={_short(value)}" for key, value in best.values.items())
    lines = [
        f"The best of {len(outcomes)} trials by {study.engine}: trial {best.trial}, {picked}.",
        f"{tuning.objective} {best.score:.4f} in the mean of {len(best.folds)} folds ({_folds(best)}), all before the "
        "test slice; as the best of many it is too good.",
        f"Candles: {', '.join(data['symbols'])}, {data['first']} to {data['last']}, fingerprint {data['fingerprint']}.",
        f"Made by deepstack {deepstack.__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC from the config "
        f"{study.config.name}, seed {study.config.seed}.",
        f"Command:  deepstack run {BEST}{' --data …' if study.config.data.paths else ''}",
    ]
    text = "".join(f"# {line}\n" for line in lines) + dump_config(with_values(study.config, best.values))
    write_atomic(study.folder / BEST, lambda part: part.write_text(text, encoding="utf-8"))
    return study.folder / BEST


def write_page(
    study: Study, outcomes: Sequence[Outcome], data: Mapping[str, Any], winner: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Write `search.json`, `search.html`, `trials.csv` and `plots/`.

    Args:
        winner: report.json of the winner's run; None before there is one.

    Returns:
        What search.json holds.
    """
    best = best_of(outcomes, study)
    found = json_ready(
        {
            "schema_version": 1,
            "name": study.config.name,
            "engine": study.engine,
            "objective": study.config.tuning.objective,
            "trials": len(outcomes),
            "asked": study.trials,
            "states": {
                state: sum(one.state == state for one in outcomes) for state in ("complete", "pruned", "failed")
            },
            "seconds": sum(one.seconds for one in outcomes),
            "training_s": sum(one.training_s for one in outcomes),
            "best": None if best is None else _row(best),
            "front": [_row(one) for one in front_of(outcomes, study)] if study.against != "none" else [],
            "importance": importance(outcomes, study),
            "failures": {one.trial: one.reason for one in outcomes if one.state == "failed"},
            "space": study.config.model_dump(mode="json")["tuning"]["space"],
            "data": dict(data),
            "winner": None if winner is None else _of_winner(winner),
        }
    )
    images = {name: png(figure) for name, figure in figures(outcomes, study).items()}
    (study.folder / "plots").mkdir(exist_ok=True)
    for name, image in images.items():
        write_atomic(study.folder / "plots" / f"{name}.png", lambda part, image=image: part.write_bytes(image))  # type: ignore[misc]
    texts = {
        "trials.csv": to_csv(outcomes),
        "search.json": json.dumps(found, indent=2, allow_nan=False) + "\n",
        "search.html": _html(found, outcomes, images),
    }
    for name, text in texts.items():
        write_atomic(study.folder / name, lambda part, text=text: part.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    return found


def to_csv(outcomes: Sequence[Outcome]) -> str:
    """One row a trial, one column a searched key."""
    keys = list(dict.fromkeys(key for one in outcomes for key in one.values))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*COLUMNS, "started_from", "worker", "reason", *keys], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(one) | {"folds": _folds(one)} for one in outcomes)
    return buffer.getvalue()


def table_line(outcome: Outcome, best: Outcome | None) -> str:
    """One trial as a line of the live table."""
    score = "–" if outcome.score is None else f"{outcome.score:.4f}"
    leader = "" if best is None or best.score is None else f"{best.score:.4f} ({best.trial})"
    picked = ", ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in outcome.values.items())
    end = outcome.reason or picked
    return f"{outcome.trial:>5}  {outcome.state:<8}  {score:>8}  {leader:>15}  {outcome.seconds:>7.1f}  {end}"


TABLE_HEAD = f"{'trial':>5}  {'state':<8}  {'score':>8}  {'best (trial)':>15}  {'seconds':>7}  picked"


def winner_sentences(found: Mapping[str, Any]) -> list[str]:
    """What the search promised and what the test slice says of it."""
    best, winner = found["best"], found["winner"]
    if best is None:
        return ["No trial finished."]
    name = found["objective"].replace("_", " ")
    states = found["states"]
    others = "".join(f", {states[state]} {state}" for state in ("pruned", "failed") if states[state])
    lines = [
        f"Best of {states['complete']} finished trials{others}: {name} {best['score']:.4f} on the folds (trial "
        f"{best['trial']}). The best of many is too good by what luck gave it."
    ]
    if found["trials"] < found["asked"]:
        lines.append(f"{found['trials']} of {found['asked']} trials before time was up; --resume goes on.")
    for output, block in (winner or {}).items():
        where = "" if output == "won" else f" ({output})"
        interval = "" if block["auc_ci95"] is None else " [{:.4f}, {:.4f}]".format(*block["auc_ci95"])
        lines.append(
            f"On the test slice, opened once for it{where}: AUC {block['auc']:.4f}{interval}, log-loss "
            f"{block['log_loss']:.4f}, {block['expectancy_r']:+.3f} R a trade, {block['trades_taken']:,} taken; "
            "deflated Sharpe ratio "
            f"{'–' if block['deflated_sharpe'] is None else format(block['deflated_sharpe'], '.2f')} in the light of "
            f"{block['trials']} strategies tried."
            if block["expectancy_r"] is not None
            else f"On the test slice, opened once for it{where}: AUC {block['auc']:.4f}{interval}; it takes no trade."
        )
        if block["auc_ci95"] is not None:
            lines.append(_null_sentence(block["auc"], block["auc_ci95"], best["score"] if name == "auc" else None))
    return lines


def _null_sentence(auc: float, interval: Sequence[float], won_with: float | None) -> str:
    """Where a test AUC without an edge would lie, this one does, and the search's best score does."""
    half = (interval[1] - interval[0]) / 2.0

    def place(score: float) -> str:
        return "inside" if abs(score - 0.5) <= half else "outside"

    promised = "" if won_with is None else f", the score that won the search, {won_with:.4f}, {place(won_with)}"
    return (
        f"Without an edge 95 test slices of 100 would give an AUC in [{0.5 - half:.4f}, {0.5 + half:.4f}]: this one "
        f"lies {place(auc)}{promised}."
    )


def _of_winner(written: Mapping[str, Any]) -> dict[str, Any]:
    """Output → figures of the winner's report."""
    test, deflated = written["test"], written["deflated"]
    blocks = {"won": test} if "auc" in test else {name.removeprefix("h"): block for name, block in test.items()}
    found = {}
    for output, block in blocks.items():
        one = deflated if "trials" in deflated else deflated[f"h{output}"]
        keys = ("auc", "auc_ci95", "log_loss", "expectancy_r", "trades_taken", "sharpe")
        found[output] = {key: block.get(key) for key in keys} | {key: one[key] for key in ("deflated_sharpe", "trials")}
    return found


def _row(one: Outcome) -> dict[str, Any]:
    shown = {name: getattr(one, name) for name in (*COLUMNS, "started_from", "worker", "reason")}
    return shown | dict(one.values)


def _html(found: Mapping[str, Any], outcomes: Sequence[Outcome], images: Mapping[str, bytes]) -> str:
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, Path(report.__file__).parent]),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    keys = list(dict.fromkeys(key for one in outcomes for key in one.values))
    return environment.get_template("search.html.j2").render(
        found=found,
        lines=winner_sentences(found),
        keys=keys,
        rows=[
            {
                "head": one.trial,
                "cells": [one.state, "–" if one.score is None else f"{one.score:.4f}", f"{one.seconds:.1f}"]
                + [_short(one.values[key]) if key in one.values else "–" for key in keys]
                + [one.reason],
            }
            for one in outcomes
        ],
        images={name: base64.b64encode(image).decode("ascii") for name, image in images.items()},
    )


def _folds(one: Outcome) -> str:
    return ", ".join(f"{value:.4f}" for value in one.folds)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
