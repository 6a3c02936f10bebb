"""Finished models on the same candles: refused where they do not belong together, aligned on the decision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepstack.artifact.load import Artifact
from deepstack.candles.fingerprint import fingerprint
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.errors import ArtifactError
from deepstack.models import catalogue
from deepstack.pipeline.predict import Predictor, load
from deepstack.pipeline.samples import Slices, find, part, slices
from deepstack.progress import Progress
from deepstack.samples.split import Cuts, Split

KEY = ["symbol", "decision_time"]
BREAKOUT_KEYS = {"direction", "channel_bars", "atr_bars", "stop_atr", "target_r", "max_holding_bars"}
"""Keys of `labels` that only breakouts read."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """What every member says of the same samples.

    Attributes:
        names: of the members.
        config: of the first member, which says how all are judged.
        slices: labels, split and tabular features; validation and test hold the samples that all members see.
        validation, test: float64 [members, samples of the slice, outputs, classes], corrected to the priors.
        left_out: validation and test samples of the first member that another cannot see.
    """

    names: tuple[str, ...]
    config: RunConfig
    slices: Slices
    validation: np.ndarray
    test: np.ndarray
    left_out: int


def aligned(artifacts: Sequence[Path], market: Market, progress: Progress) -> Aligned:
    """Open the artifacts and ask each of its validation and test slices.

    Args:
        artifacts: two or more finished runs that differ in what they see of the market, or in the model.
        market: the candles that all of them were trained on.

    Raises:
        ArtifactError: one is incomplete or altered, or they were not trained on these candles, labels and split.
    """
    predictors = [load(path) for path in artifacts]
    _require_different(predictors)
    first = predictors[0].artifact
    for predictor in predictors:
        _require_belonging(predictor.artifact, first, market)
        _require_unsettled(predictor.artifact)
    interval = next(iter(market.values())).interval
    parts = slices(
        find(market, first.config, catalogue.line_of(first.config.model), progress),
        interval,
        first.config,
    )
    for predictor in predictors:
        _require_same_cuts(predictor.artifact, parts.split)
    answers = []
    for done, predictor in enumerate(predictors):
        progress("members", done, len(predictors), predictor.artifact.folder.name)
        answers.append(_answers(predictor, market, parts))
    progress("members", len(predictors), len(predictors), "done")
    split = parts.split
    known = np.isfinite(np.stack(answers)).all(axis=(0, 2, 3))
    rows = [index[known[index]] for index in (split.validation, split.test)]
    kept = replace(parts, split=replace(split, validation=rows[0], test=rows[1]))
    left_out = len(split.validation) + len(split.test) - sum(map(len, rows))
    validation, test = (np.stack([answer[index] for answer in answers]) for index in rows)
    return Aligned(_names(predictors), first.config, kept, validation, test, left_out)


def _answers(predictor: Predictor, market: Market, parts: Slices) -> np.ndarray:
    """Probabilities at each sample of `parts`, float64 [samples, outputs, classes]; NaN where not asked for."""
    artifact = predictor.artifact
    found = find(
        market,
        artifact.config,
        catalogue.line_of(artifact.config.model),
        names=artifact.features,
    )
    asked = np.concatenate([parts.split.validation, parts.split.test])
    theirs = _keys(found.labels.samples).get_indexer(_keys(parts.labels.samples.iloc[asked]))
    seen = theirs >= 0
    probability = predictor.uncalibrated(predictor.scale(part(found.seen.inputs, theirs[seen])))
    result = np.full((len(parts.labels), *probability.shape[1:]), np.nan)
    result[asked[seen]] = probability
    return result


def _keys(samples: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(samples[KEY])


def _names(predictors: Sequence[Predictor]) -> tuple[str, ...]:
    """A short name a member: the model and its window, or the run where that does not tell them apart."""
    configs = [predictor.artifact.config for predictor in predictors]
    short = [
        config.model.name
        if catalogue.line_of(config.model).sees == "bar"
        else f"{config.model.name}_{config.samples.window_bars}bars"
        for config in configs
    ]
    names = short if len(set(short)) == len(short) else [predictor.artifact.folder.name for predictor in predictors]
    return tuple(name if names.count(name) == 1 else f"{name}_{k}" for k, name in enumerate(names, 1))


def _require_belonging(artifact: Artifact, first: Artifact, market: Market) -> None:
    if artifact.manifest.data["fingerprint"] != fingerprint(market):
        raise ArtifactError(
            str(artifact.folder),
            expected="an artifact trained on these candles, so that its test slice is unseen",
            received="other candles",
            remedy="the --data it was trained on",
        )
    for room, theirs, ours in _asked(artifact.config, first.config):
        for key, value in ours.items():
            if theirs.get(key) != value:
                raise ArtifactError(
                    str(artifact.folder),
                    expected=f"{room}.{key} {value}, as {first.folder.name}",
                    received=f"{theirs.get(key)}",
                    remedy=f"members trained with the same {room}",
                )


def _require_unsettled(artifact: Artifact) -> None:
    """An ensemble has learned from the validation slice already: what is settled there would be settled on memory."""
    if artifact.config.model.name == "ensemble":
        raise ArtifactError(
            str(artifact.folder),
            expected="members that are no ensembles themselves",
            received="an ensemble, settled on the validation slice",
            remedy="its members' own artifacts, or `deepstack leaderboard`",
        )


def _asked(config: RunConfig, first: RunConfig) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Room, its keys, and those of the first member: what decides which samples are asked, and when."""
    labels = [one.labels.model_dump(mode="json", exclude=unused_labels(first)) for one in (config, first)]
    split = [one.split.model_dump(mode="json") for one in (config, first)]
    return [("labels", labels[0], labels[1]), ("split", split[0], split[1])]


def unused_labels(config: RunConfig) -> set[str]:
    """Keys of `labels` that the kind of label does not read."""
    return {"breakout": {"horizons"}, "horizons": BREAKOUT_KEYS}[config.labels.kind]


def _require_same_cuts(artifact: Artifact, first: Split) -> None:
    """The slices that it was trained, stopped and tested on; what it sees alone would not tell them all."""
    told = json.loads((artifact.folder / "report.json").read_text(encoding="utf-8"))["samples"]
    cuts = Cuts(pd.Timestamp(told["validation_cut"]), pd.Timestamp(told["test_cut"]))
    if cuts != (first.validation_cut, first.test_cut):
        raise ArtifactError(
            str(artifact.folder),
            expected=f"slices from {first.validation_cut} and {first.test_cut} on, as the first member",
            received=f"{cuts.validation} and {cuts.test}",
            remedy="members whose features have the same warm-up",
        )


def _require_different(predictors: Sequence[Predictor]) -> None:
    seen: dict[str, str] = {}
    for predictor in predictors:
        weights = predictor.artifact.manifest.files["model.keras"]
        if weights in seen:
            raise ArtifactError(
                str(predictor.artifact.folder),
                expected="different members",
                received=f"the weights of {seen[weights]}",
                remedy="naming each once",
            )
        seen[weights] = predictor.artifact.folder.name
