"""A causal transformer that first learns to foresee the next bar's features, then answers; it can be sampled from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from deepstack.layers.newest_step import NewestStep
from deepstack.layers.next_step import KeepForeseeing, NextStepNll
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE
from deepstack.models.options import between
from deepstack.models.transformer._stack import TransformerConfig, encoded

CAUSAL = "sequence_norm"
"""Layer whose step t has seen no later step."""
FORESEEN = "foreseen"
"""Layer that gives mean and log-variance of the next step's features, `[batch, time, 2 · features]`."""


@dataclass(frozen=True)
class TransformerDecoderConfig(TransformerConfig):
    """Options of the network.

    Attributes:
        keep_foreseeing: weight of the next-step loss beside the head's in fine-tuning.
        sines: add positions to the bars. Without, and with a span for every head, a bar's keys and values stay what
            they were while the window moves on, so that a stream computes each bar once.
    """

    keep_foreseeing: float = 0.1
    sines: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        between(self, 0.0, 100.0, "keep_foreseeing")


def receptive_field(config: TransformerDecoderConfig) -> int | None:
    """Bars that the newest step sees; None: all of the window."""
    farthest = 0 if 0 in config.spans else max(config.spans, default=0)
    return 1 + config.blocks * (farthest - 1) if farthest else None


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: TransformerDecoderConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features)}` to the head's outputs.

    The head sees the newest step and what it foresees of the next.
    """
    features, x, foreseen = _trunk(inputs, config)
    foreseen = KeepForeseeing(config.keep_foreseeing, name="keep_foreseeing")(features, foreseen)
    newest = NewestStep(name="newest")(keras.layers.Concatenate(name="joined")([x, foreseen]))
    newest = keras.layers.Dropout(config.dropout, name="dropout")(newest)
    return keras.Model({BASE: features}, head.outputs(newest), name="transformer_decoder")


def build_generator(inputs: Mapping[str, tuple[int, ...]], config: TransformerDecoderConfig) -> keras.Model:
    """The same trunk under a next-step loss: `[batch, 1]`, negative log-likelihood of each window."""
    features, _, foreseen = _trunk(inputs, config)
    return keras.Model({BASE: features}, NextStepNll(name="nll")(features, foreseen), name="generator")


def _trunk(inputs: Mapping[str, tuple[int, ...]], config: TransformerDecoderConfig) -> tuple[Any, Any, Any]:
    features = keras.Input(inputs[BASE], name=BASE)
    x = encoded(features, config, "sequence", causal=True, sines=config.sines)
    return features, x, keras.layers.Dense(2 * inputs[BASE][1], name=FORESEEN)(x)
