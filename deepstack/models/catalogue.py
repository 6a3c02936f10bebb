"""Which models exist: name → builder, options, and what a plan needs to know of it."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras

from deepstack.config.model import ModelConfig
from deepstack.errors import ConfigError
from deepstack.models.cnn import attention_cnn1d, cnn1d, cnn2d, residual_cnn1d, tcn
from deepstack.models.ensemble import ensemble
from deepstack.models.entry import Cost, Model
from deepstack.models.heads import Head, binary_head
from deepstack.models.hybrid import adaptive_hybrid, lstm_transformer, multiscale_hybrid
from deepstack.models.hybrid._parts import HybridConfig
from deepstack.models.image import gaf_resnet18
from deepstack.models.image._gaf_options import GafResnet18Config
from deepstack.models.memory import episodic_memory, memory_augmented
from deepstack.models.options import read_options
from deepstack.models.rnn import attentive_lstm, bidirectional_lstm, conv_lstm, gru, lstm, stacked_lstm
from deepstack.models.rnn._recurrent import RecurrentConfig
from deepstack.models.sequential import network as sequential
from deepstack.models.transformer import (
    cross_timeframe,
    multi_head_horizon,
    transformer,
    transformer_attention,
    transformer_cnn,
    transformer_decoder,
    transformer_encoder,
)
from deepstack.models.transformer._stack import TransformerConfig
from deepstack.models.ultimate import network as ultimate

STEP_MS = Path(__file__).with_name("step_ms.json")
"""Name → milliseconds of a training step as benchmarks/models.py last measured them."""


def _cost(module: Any) -> Cost:
    return Cost(*(getattr(module, part.name) for part in fields(Cost)))


_FAMILIES: dict[str, Model] = {
    # Convolutional
    "cnn1d": Model(
        "three times Conv1D-BN-ReLU-pool-dropout, then dense",
        cnn1d.build,
        cnn1d.Cnn1dConfig,
        "window",
        receptive_field=cnn1d.receptive_field,
    ),
    "cnn2d": Model("the window as a picture, four 2-D convolutions", cnn2d.build, cnn2d.Cnn2dConfig, "window"),
    "residual_cnn1d": Model(
        "ResNet over time, any depth, adaptive pooling",
        residual_cnn1d.build,
        residual_cnn1d.ResidualCnn1dConfig,
        "window",
        receptive_field=residual_cnn1d.receptive_field,
    ),
    "attention_cnn1d": Model(
        "convolutional trunk, then multi-head self-attention",
        attention_cnn1d.build,
        attention_cnn1d.AttentionCnn1dConfig,
        "window",
    ),
    "tcn": Model(
        "dilated causal convolutions with skips",
        tcn.build,
        tcn.TcnConfig,
        "window",
        causal=tcn.CAUSAL,
        receptive_field=tcn.receptive_field,
    ),
    # Recurrent
    "lstm": Model(
        "stacked LSTM, one direction or both",
        lstm.build,
        RecurrentConfig,
        "window",
        causal=lstm.CAUSAL,
    ),
    "gru": Model(
        "stacked GRU, one direction or both",
        gru.build,
        RecurrentConfig,
        "window",
        causal=gru.CAUSAL,
    ),
    "stacked_lstm": Model(
        "three LSTM levels with skips, attention over time",
        stacked_lstm.build,
        stacked_lstm.StackedLstmConfig,
        "window",
        explains=stacked_lstm.EXPLAINS,
    ),
    "bidirectional_lstm": Model(
        "LSTM both ways, multi-head attention, global pooling",
        bidirectional_lstm.build,
        bidirectional_lstm.BidirectionalLstmConfig,
        "window",
    ),
    "attentive_lstm": Model(
        "an LSTM for each timeframe, attention over time and timeframes",
        attentive_lstm.build,
        attentive_lstm.AttentiveLstmConfig,
        "timeframes",
        explains=attentive_lstm.EXPLAINS,
    ),
    "conv_lstm": Model("convolutions, then an LSTM", conv_lstm.build, conv_lstm.ConvLstmConfig, "window"),
    # Transformers
    "transformer": Model(
        "positions, Pre-LN blocks, adaptive pooling",
        transformer.build,
        transformer.PooledTransformerConfig,
        "window",
        xla=True,
    ),
    "transformer_attention": Model(
        "transformer with attention pooling, weights to plot",
        transformer_attention.build,
        TransformerConfig,
        "window",
        explains=transformer_attention.EXPLAINS,
        xla=True,
    ),
    "transformer_encoder": Model(
        "the plain Post-LN encoder",
        transformer_encoder.build,
        transformer_encoder.TransformerEncoderConfig,
        "window",
        xla=True,
    ),
    "transformer_decoder": Model(
        "causal; learns to foresee the next bar first, can be sampled from",
        transformer_decoder.build,
        transformer_decoder.TransformerDecoderConfig,
        "window",
        causal=transformer_decoder.CAUSAL,
        receptive_field=transformer_decoder.receptive_field,
        generator=transformer_decoder.build_generator,
        xla=True,
    ),
    "transformer_cnn": Model(
        "convolutional stem, then a transformer",
        transformer_cnn.build,
        transformer_cnn.TransformerCnnConfig,
        "window",
        explains=transformer_cnn.EXPLAINS,
    ),
    "multi_head_horizon": Model(
        "attention heads of their own for each horizon",
        multi_head_horizon.build,
        TransformerConfig,
        "window",
        xla=True,
    ),
    "cross_timeframe": Model(
        "an encoder for each timeframe, cross-attention between them",
        cross_timeframe.build,
        TransformerConfig,
        "timeframes",
        explains=cross_timeframe.EXPLAINS,
    ),
    # Hybrids
    "lstm_transformer": Model(
        "LSTM and transformer joined by cross-attention",
        lstm_transformer.build,
        HybridConfig,
        "window",
        explains=lstm_transformer.EXPLAINS,
    ),
    "adaptive_hybrid": Model(
        "a learned gate weighs LSTM and transformer",
        adaptive_hybrid.build,
        HybridConfig,
        "window",
        explains=adaptive_hybrid.EXPLAINS,
    ),
    "multiscale_hybrid": Model(
        "a hierarchy of resolutions",
        multiscale_hybrid.build,
        multiscale_hybrid.MultiscaleHybridConfig,
        "window",
    ),
    # Images
    "gaf_resnet18": Model(
        "each channel's Gramian images, then ResNet18",
        gaf_resnet18.build,
        GafResnet18Config,
        "window",
        scales_windows=True,
        pretrained=gaf_resnet18.pretrained,
        draws=lambda options: options.drawing,
    ),
    # With a memory
    "memory_augmented": Model(
        "short- and long-term memory, read and written by attention",
        memory_augmented.build,
        memory_augmented.MemoryAugmentedConfig,
        "window",
        causal=memory_augmented.CAUSAL,
        explains=memory_augmented.EXPLAINS,
    ),
    "episodic_memory": Model(
        "recalls similar past windows whose outcome was known",
        episodic_memory.build,
        episodic_memory.EpisodicMemoryConfig,
        "window",
        when=True,
        explains=episodic_memory.EXPLAINS,
    ),
    # Ensembles
    "ensemble": Model(
        "several models as one network",
        ensemble.build,
        ensemble.EnsembleConfig,
        "window",
        with_options=ensemble.with_options,
    ),
}

MODELS: dict[str, Model] = {
    "ultimate": Model(
        "residual stack of any depth + dense units + feature attention",
        ultimate.build,
        ultimate.UltimateConfig,
        "bar",
        cost=_cost(ultimate),
        xla=True,
    ),
    "sequential": Model(
        "plain deep net without skips, for comparison",
        sequential.build,
        sequential.SequentialConfig,
        "bar",
        cost=_cost(sequential),
        xla=True,
    ),
    **_FAMILIES,
}


def register(name: str, model: Model) -> None:
    """Add a model of your own to the catalogue, for this process.

    Raises:
        ConfigError: the name is taken, or cannot stand in a config.
    """
    if name in MODELS:
        raise ConfigError("register", expected="a new name", received=f"{name!r}, which is taken", remedy=f"my_{name}")
    if not name.isidentifier():
        raise ConfigError("register", expected="letters, digits and _", received=repr(name), remedy="such a name")
    MODELS[name] = model


def find(name: str) -> Model:
    """The catalogue line of a name.

    Raises:
        ConfigError: no such model; says which is nearest.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        listed = f"`{near[0]}`" if near else f"one of {', '.join(MODELS)}"
        remedy = f"{listed}; or, for a model of your own, deepstack.register, or `deepstack --plugin FILE …`, before"
        raise ConfigError("model.name", expected="a model of the catalogue", received=repr(name), remedy=remedy)
    return MODELS[name]


def line_of(model: ModelConfig) -> Model:
    """The catalogue line of a config's model, as its options make it.

    Raises:
        ConfigError: no such model, or an option its builder refuses.
    """
    line = find(model.name)
    return line.with_options(line, read_options(line.config, model.options)) if line.with_options else line


def build(
    name: str, inputs: Mapping[str, tuple[int, ...]], head: Head | None = None, options: Mapping[str, Any] | None = None
) -> keras.Model:
    """Build a model by name; Keras' own loops compile it with XLA where that is faster.

    Args:
        name: as printed by `deepstack models`.
        inputs: name → shape without the batch axis, as `input_shapes` gives them.
        head: what is asked; win or loss by default.
        options: the builder's options.

    Raises:
        ConfigError: unknown name or option, or a value the builder refuses.
    """
    model = find(name)
    network = model.build(inputs, head or binary_head(), read_options(model.config, dict(options or {})))
    network.jit_compile = model.xla
    return network
