"""Finished models on the same candles: refused where they do not belong together, aligned on the decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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

KEY = ["symbol", "decision_time"]


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
    first = predictors[0].artifact
    for predictor in predictors:
        _require_belonging(predictor.artifact, first, market)
    interval = next(iter(market.values())).interval
    parts = slices(
        find(market, first.config, catalogue.find(first.config.model.name), progress), interval, first.config
    )
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
    found = find(market, artifact.config, catalogue.find(artifact.config.model.name), names=artifact.features)
    asked = np.concatenate([parts.split.validation, parts.split.test])
    theirs = _keys(found.labels.samples).get_indexer(_keys(parts.labels.samples.iloc[asked]))
    seen = theirs >= 0
    probability = predictor.probabilities(predictor.scale(part(found.seen.inputs, theirs[seen])))
    result = np.full((len(parts.labels), *probability.shape[1:]), np.nan)
    result[asked[seen]] = probability
    return result


def _keys(samples: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(samples[KEY])


def _names(predictors: Sequence[Predictor]) -> tuple[str, ...]:
    """A short name a member: the model and its window; the run's name where that is not enough."""
    short = [f"{p.artifact.config.model.name}_{p.artifact.config.samples.window_bars}bars" for p in predictors]
    return tuple(short) if len(set(short)) == len(short) else tuple(p.artifact.folder.name for p in predictors)


def _require_belonging(artifact: Artifact, first: Artifact, market: Market) -> None:
    if artifact.manifest.data["fingerprint"] != fingerprint(market):
        raise ArtifactError(
            str(artifact.folder),
            expected="an artifact trained on these candles, so that its test slice is unseen",
            received="other candles",
            remedy="the --data it was trained on",
        )
    for room in ("labels", "split"):
        if getattr(artifact.config, room) != getattr(first.config, room):
            raise ArtifactError(
                str(artifact.folder),
                expected=f"the {room} of {first.folder.name}",
                received=f"other {room}",
                remedy=f"members trained with the same {room}",
            )
    if artifact.manifest.data["test_cut"] != first.manifest.data["test_cut"]:
        raise ArtifactError(
            str(artifact.folder),
            expected=f"a test slice from {first.manifest.data['test_cut']} on, as {first.folder.name}",
            received=artifact.manifest.data["test_cut"],
            remedy="members with the same warm-up",
        )
