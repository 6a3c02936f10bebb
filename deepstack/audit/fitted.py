"""Links of the fitted state: it saw training alone, and what learns from validation does not answer itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from deepstack.artifact.model import class_probabilities
from deepstack.audit.findings import Link, Offence
from deepstack.audit.futures import noise
from deepstack.calibration import Calibration
from deepstack.candles.market import Market
from deepstack.config.run import RunConfig
from deepstack.ensembles import combine as combine_module
from deepstack.ensembles.combine import Settled
from deepstack.errors import DataError
from deepstack.evaluation import calibrate as calibrate_module
from deepstack.evaluation.baselines import Predictions
from deepstack.evaluation.calibrate import calibrated
from deepstack.evaluation.out_of_fold import FOLDS, purged_folds
from deepstack.evaluation.question import strength, trades_for
from deepstack.evaluation.threshold import choose_threshold
from deepstack.features.scale import fit_scaler
from deepstack.labels.labelled import Labels
from deepstack.models import catalogue
from deepstack.models.ensemble.ensemble import COMBINE
from deepstack.models.inputs import WHEN
from deepstack.pipeline import judgement
from deepstack.pipeline import samples as samples_module
from deepstack.pipeline.predict import Predictor
from deepstack.pipeline.samples import Slices, part
from deepstack.pipeline.settle_members import give, settled_on
from deepstack.pipeline.train_members import apart
from deepstack.samples.scaled import seen_rows


def state_of(parts: Slices, rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Name and value of all that is fitted before training, and of those samples as training sees them."""
    found: list[tuple[str, np.ndarray]] = [("selected features", np.array(parts.names))]
    for name, scaler in parts.scalers.items():
        found += [(f"scaler of {name}", values) for values in bounds_of(scaler)]
    if parts.priors is not None:
        found.append(("priors", parts.priors))
    found += [("samples", rows), ("their answers", parts.y[rows]), ("their weights", parts.weight[rows])]
    if parts.tabular is not None:
        found.append(("features of the baselines", parts.tabular[rows]))
    return found


def bounds_of(scaler: Any) -> list[np.ndarray]:
    """All that a scaler was fitted to."""
    clip, standard = scaler["clip"].kw_args, scaler["standardise"]
    return [clip["a_min"], clip["a_max"], standard.mean_, standard.scale_]


def audit_fitted(market: Market, config: RunConfig, parts: Slices) -> Link:
    """Bars after the last that a label of training may have seen move nothing fitted; nor those after validation's.

    That is the cut less the embargo: which of the trades open between the two are left out depends on the bars between.
    """
    name, covers = "fitted state", []
    interval = next(iter(market.values())).interval
    embargo = (config.split.embargo_bars + 1) * interval
    for what, cut in (("training", parts.split.validation_cut), ("training and validation", parts.split.test_cut)):
        last = cut - embargo
        found = samples_module.find(noise(market, last, 3), config, catalogue.line_of(config.model))
        try:
            other = samples_module.slices(found, interval, config)
        except DataError as error:
            covers.append(f"another future after {last.isoformat()} has no usable slices ({error.where})")
            continue
        before, after = (state_of(each, _rows(each, what)) for each in (parts, other))
        for (value, ours), (_, theirs) in zip(before, after, strict=True):
            if ours.shape != theirs.shape or not np.array_equal(ours, theirs):
                how = f"moved with bars after {last.isoformat()}, where all of its labels had ended"
                return Link(name, "", Offence(value, what, how))
        covers.append(f"{len(before)} fitted values, bars after {last.isoformat()} replaced")
    skipped = "" if any("replaced" in text for text in covers) else "; ".join(covers)
    return Link(name, "; ".join(covers), skipped=skipped)


def _rows(parts: Slices, slices: str) -> np.ndarray:
    split = parts.split
    return split.train if slices == "training" else np.concatenate([split.train, split.validation])


def audit_artifact(parts: Slices, predictor: Predictor, *, own: bool) -> Link:
    """An artifact's scalers, priors, combiner, calibrations and thresholds are what its candles give.

    Scalers and priors bit by bit, what is worked out from the network's answers within rounding.

    Args:
        parts: the samples of the candles, fitted anew.
        predictor: the artifact.
        own: whether these are the candles it was trained on.
    """
    name, artifact = "artifact's fitted state", predictor.artifact
    if not own:
        return Link(name, "", skipped="fitted on other candles; give it those to check it")
    if parts.names != artifact.features:
        return Link(name, "", Offence("features", "the artifact", "not those that its candles select"))
    for key, scaler in parts.scalers.items():
        for ours, theirs in zip(bounds_of(scaler), bounds_of(artifact.scalers[key]), strict=True):
            if not np.array_equal(ours, theirs):
                column = parts.names[int(np.flatnonzero(ours != theirs)[0])]
                return Link(name, "", Offence(f"scaler of {key}", column, "not that of the training rows"))
    priors = parts.priors if parts.priors is None else parts.priors.tolist()
    if priors != artifact.manifest.data["priors"]:
        return Link(name, "", Offence("priors", "the artifact", "not those of the training samples"))
    return _learned_on_validation(name, parts, predictor)


def _learned_on_validation(name: str, parts: Slices, predictor: Predictor) -> Link:
    """An ensemble's combiner, the calibrations and the thresholds, made again from what the network says there."""
    artifact, rows = predictor.artifact, parts.split.validation
    config, covers = artifact.config, f"{len(parts.scalers)} scalers, priors"
    if apart(config):
        settled, given, _ = settled_on(predictor.network, config, parts)
        ours = _combiner_given(predictor, settled, parts)
        theirs = predictor.network.get_layer(COMBINE).get_weights()
        if not all(np.allclose(one, other, atol=1e-5) for one, other in zip(ours, theirs, strict=True)):
            return Link(name, covers, Offence("combiner", "the artifact", "not what validation alone gives"))
        covers += f", {len(settled)} combiners"
    else:
        given = class_probabilities(predictor.network, predictor.head, part(parts.inputs, rows), parts.priors)
    times = parts.frame(rows)
    calibrations = artifact.calibrations or (Calibration(),) * len(parts.labels.outputs)
    for k, output in enumerate(parts.labels.outputs):
        said = Predictions(given[:, k], given[:, k])
        said, fitted = calibrated(config.evaluation.calibration, said, parts.labels.codes[rows, k], times)
        if not _alike(fitted, calibrations[k], given[:, k]):
            return Link(name, covers, Offence("calibration", output, "not what validation alone gives"))
        worth = trades_for(times, output, said.validation, config.labels)["net_r"].to_numpy(np.float64)
        wanted = choose_threshold(strength(said.validation), worth, config.evaluation.min_coverage).value
        if abs(wanted - artifact.thresholds[k]) > 1e-5:
            how = f"{artifact.thresholds[k]:.6f}, but validation alone gives {wanted:.6f}"
            return Link(name, covers, Offence("threshold", output, how))
    count = len(parts.labels.outputs)
    return Link(name, f"{covers}, {count} calibrations and thresholds from {len(rows):,} validation samples")


def _combiner_given(predictor: Predictor, settled: list[Settled], parts: Slices) -> list[np.ndarray]:
    """Weights of the combining layer as this would set them."""
    layer = predictor.network.get_layer(COMBINE)
    kept = layer.get_weights()
    try:
        give(predictor.network, settled, predictor.head, parts.priors)
        return [np.array(values) for values in layer.get_weights()]
    finally:
        layer.set_weights(kept)


def _alike(ours: Calibration, theirs: Calibration, given: np.ndarray) -> bool:
    return bool(np.allclose(ours(given), theirs(given), rtol=0.0, atol=1e-4))


def audit_scalers(market: Market, config: RunConfig, parts: Slices) -> Link:
    """Every scaler is what the rows that training samples see give."""
    name = "scalers"
    seen = samples_module.find(market, config, catalogue.line_of(config.model)).seen
    columns = [seen.names.index(feature) for feature in parts.names]
    count = 0
    for key, values in seen.inputs.items():
        if key == WHEN or key not in parts.scalers:
            continue
        wanted = bounds_of(fit_scaler(seen_rows(values, parts.split.train)[:, columns], config.features))
        count += 1
        for ours, theirs in zip(wanted, bounds_of(parts.scalers[key]), strict=True):
            if not np.array_equal(ours, theirs):
                column = int(np.flatnonzero(ours != theirs)[0])
                how = "its statistics are not those of the training rows"
                return Link(name, f"{count} scalers", Offence(f"scaler of {key}", parts.names[column], how))
    if not count:
        return Link(name, "", skipped="the model scales every window by itself")
    return Link(name, f"{count} scalers of {len(parts.names)} features on {len(parts.split.train):,} training samples")


def audit_out_of_fold(parts: Slices, seed: int = 0) -> Link:
    """Calibrations, weights and stackers answer for a validation fold without its outcomes."""
    name = "calibration and stacking"
    times = parts.frame(parts.split.validation)
    codes = parts.labels.codes[parts.split.validation, 0].astype(np.int64)
    classes = len(parts.labels.classes)
    random = np.random.default_rng(seed)
    given = random.dirichlet(np.ones(classes), (3, len(codes)))
    given[:, np.arange(len(codes)), codes] += 0.3
    given /= given.sum(axis=2, keepdims=True)
    folds = purged_folds(times, FOLDS)
    for number, (rows, others) in enumerate(folds):
        start, end = times["decision_time"].iloc[rows].min(), times["end_time"].iloc[rows].max()
        meets = (times["end_time"].iloc[others] >= start) & (times["decision_time"].iloc[others] <= end)
        if meets.any():
            where = times["decision_time"].iloc[int(others[np.flatnonzero(meets.to_numpy())[0]])].isoformat()
            return Link(name, f"{len(folds)} folds", Offence(f"fold {number}", where, "learns from samples open in it"))
    rows = folds[len(folds) // 2][0]
    start, end = times["decision_time"].iloc[rows].min(), times["end_time"].iloc[rows].max()
    open_in_it = ((times["end_time"] >= start) & (times["decision_time"] <= end)).to_numpy()
    other = np.where(open_in_it, (codes + 1) % classes, codes)
    checks = {
        **{f"calibration by {m}": _calibrated(m, given[0], times) for m in calibrate_module.METHODS},
        **{f"ensemble by {m}": _combined(m, given, times) for m in combine_module.METHODS},
    }
    for what, answer in checks.items():
        if not np.array_equal(answer(codes)[rows], answer(other)[rows]):
            where = times["decision_time"].iloc[int(rows[0])].isoformat()
            return Link(name, f"{len(checks)} methods", Offence(what, where, "answers a fold with its own outcomes"))
    return Link(name, f"{len(checks)} methods × {len(folds)} purged folds of {len(codes):,} samples")


def _calibrated(method: str, given: np.ndarray, times: pd.DataFrame) -> Any:
    return lambda codes: calibrate_module.calibrated(method, Predictions(given, given), codes, times)[0].validation


def _combined(method: str, given: np.ndarray, times: pd.DataFrame) -> Any:
    members = combine_module.Members
    return lambda codes: combine_module.combine(method, members(given, given, codes, times))[0].validation


def audit_threshold(market: Market, parts: Slices, config: RunConfig, seed: int = 0) -> Link:
    """What is chosen on validation, thresholds and calibrations, does not depend on what came of the test slice."""
    name = "threshold"
    random = np.random.default_rng(seed)
    classes = len(parts.labels.classes)
    validation, test = (
        random.dirichlet(np.ones(classes), len(rows)) for rows in (parts.split.validation, parts.split.test)
    )
    models = {output: {"network": Predictions(validation, test)} for output in parts.labels.outputs}
    quick = config.evaluation.model_copy(update={"bootstrap_resamples": 100, "baselines": ()})
    config = config.model_copy(update={"evaluation": quick})
    chosen = []
    for slices in (parts, replace(parts, labels=_other_test_outcomes(parts, random))):
        judged = judgement.judge_models(models, slices, market, config)
        chosen.append((judged.thresholds, judged.calibrations))
    covers = f"{len(parts.split.validation):,} validation and {len(parts.split.test):,} test samples"
    if chosen[0] != chosen[1]:
        how = f"{chosen[0][0]} became {chosen[1][0]} with other outcomes of the test slice"
        return Link(name, covers, Offence("threshold", ", ".join(parts.labels.outputs), how))
    return Link(name, covers)


def _other_test_outcomes(parts: Slices, random: np.random.Generator) -> Labels:
    """The same labels, those of the test slice with other answers and results."""
    rows, labels = parts.split.test, parts.labels
    samples, codes = labels.samples.copy(), labels.codes.copy()
    codes[rows] = random.permutation(codes[rows])
    for column in samples.columns:
        values = samples[column].to_numpy().copy()
        if column.startswith("exit_price"):
            values[rows] *= random.uniform(0.9, 1.1, len(rows))
            samples[column] = values
        if column.startswith(("net_r", "gross_r")) or column == "won":
            values[rows] = random.permutation(values[rows])
            samples[column] = values
    return replace(labels, samples=samples, codes=codes)
