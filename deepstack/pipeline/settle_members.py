"""How the members in an ensemble's network answer as one: settled on validation, and given to the network."""

from typing import Any

import keras
import numpy as np

from deepstack.artifact.model import class_probabilities
from deepstack.config.run import RunConfig
from deepstack.ensembles.combine import Settled, out_of_fold, settle
from deepstack.ensembles.members import diversity
from deepstack.models.ensemble.ensemble import COMBINE, EnsembleConfig, line_of_member
from deepstack.models.entry import Model
from deepstack.models.heads import Head, head_of
from deepstack.models.options import read_options
from deepstack.pipeline.member import seen_by
from deepstack.pipeline.samples import Slices, part

NOWHERE = -1e4
"""Logit of a share of exactly 0."""


def settled_on(
    network: keras.Model, config: RunConfig, parts: Slices
) -> tuple[list[Settled], np.ndarray, dict[str, dict[str, Any]]]:
    """What validation says of the members in an ensemble's network.

    Returns:
        How they are combined, an output each; their answers out of fold, float64 [samples, outputs, classes]; output →
        trainings, who was dropped and how members differ.
    """
    options: EnsembleConfig = read_options(EnsembleConfig, config.model.options)
    rows = parts.split.validation
    given = _given(network, config, parts)
    codes, times = parts.labels.codes[rows], parts.frame(rows)
    settled, validation, company = [], [], {}
    for k, output in enumerate(parts.labels.outputs):
        asked = options.ensemble_method, given[:, :, k], codes[:, k], times
        settled.append(settle(*asked))
        validation.append(out_of_fold(*asked))
        company[output] = {
            "trainings": len(options.members),
            "dropped": [options.members[member][0] for member in settled[-1].pruned.dropped],
            "diversity": diversity(given[:, :, k], codes[:, k]),
        }
    return settled, np.stack(validation, axis=1), company


def give(network: keras.Model, settled: list[Settled], head: Head, priors: np.ndarray | None) -> None:
    """Give the network what was settled for every output; who was dropped has no share and no weight."""
    layer = network.get_layer(COMBINE)
    layer.offset.assign(head.prior_offset(priors))
    shares = np.full(layer.share_logits.shape, NOWHERE, np.float32)
    kernels = [np.zeros(kernel.shape, np.float32) for kernel in layer.kernels]
    biases = [np.zeros(bias.shape, np.float32) for bias in layer.biases]
    for k, one in enumerate(settled):
        combiner, members = one.combiner, list(one.pruned.kept)
        shares[k, members] = np.maximum(np.log(np.maximum(combiner.shares, 1e-300)), NOWHERE)
        rows = np.concatenate([np.arange(m * head.classes, (m + 1) * head.classes) for m in members])
        for number, (kernel, bias) in enumerate(zip(combiner.kernels, combiner.biases, strict=True)):
            at = rows if number == 0 else np.arange(len(kernel))
            kernels[number][k, at] = kernel
            biases[number][k] = bias
    layer.share_logits.assign(shares)
    for variable, values in zip([*layer.kernels, *layer.biases], [*kernels, *biases], strict=True):
        variable.assign(values)


def trained_as_one(network: keras.Model, config: RunConfig, parts: Slices) -> dict[str, Any]:
    """The facts of an ensemble whose shares were trained with its members: nobody was settled on, or left out."""
    options: EnsembleConfig = read_options(EnsembleConfig, config.model.options)
    given, codes = _given(network, config, parts), parts.labels.codes[parts.split.validation]
    company = {
        output: {"trainings": 1, "dropped": [], "diversity": diversity(given[:, :, k], codes[:, k])}
        for k, output in enumerate(parts.labels.outputs)
    }
    members = [name for name, _ in options.members]
    return {
        "ensemble": {
            "method": options.ensemble_method,
            "members": members,
            "rule": "none is left out",
            "company": company,
        }
    }


def _given(network: keras.Model, config: RunConfig, parts: Slices) -> np.ndarray:
    """What every member says on validation, float64 [members, samples, outputs, classes]."""
    options: EnsembleConfig = read_options(EnsembleConfig, config.model.options)
    head = head_of(config.labels, config.model)
    return np.stack(
        [
            _answers(network.get_layer(name), line_of_member(options, model), head, parts)
            for name, model in options.members
        ]
    )


def _answers(member: keras.Model, line: Model, head: Head, parts: Slices) -> np.ndarray:
    """Corrected probabilities on validation, float64 [samples, outputs, classes]."""
    inputs = part(seen_by(line, parts).inputs, parts.split.validation)
    return class_probabilities(member, head, inputs, parts.priors)
