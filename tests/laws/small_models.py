"""Every model of the catalogue at a size for tests, and batches for it."""

from typing import Any

import keras
import numpy as np

from deepstack.models import catalogue
from deepstack.models.heads import Head, binary_head
from deepstack.models.inputs import WHEN, input_shapes

FEATURES, BARS, TIMEFRAMES = 12, 16, ("5min",)

_TRANSFORMER = {"size": "small", "depth": 2, "dropout": 0.0}
SMALL: dict[str, dict[str, Any]] = {
    "ultimate": {
        "width": 16,
        "res_blocks_per_unit": [3],
        "dense_blocks_per_unit": [2, 1],
        "growth": 4,
        "attention_scales": [1, 4],
        "dropout": 0.0,
        "l2": 1e-5,
    },
    "sequential": {"layers": 10, "width": 16, "dropout": 0.0},
    "cnn1d": {"filters": [8, 8, 8], "units": 8, "dropout": 0.0},
    "cnn2d": {"columns": 8, "filters": [4, 4, 4, 8], "units": 8, "dropout": 0.0},
    "residual_cnn1d": {"filters": [8, 8], "blocks": [1, 2], "dropout": 0.0},
    "attention_cnn1d": {"filters": [8, 8], "heads": 2, "dropout": 0.0},
    "tcn": {"filters": 8, "levels": 2, "dropout": 0.0},
    "lstm": {"units": [8, 8], "dropout": 0.0},
    "gru": {"units": [8, 8], "dropout": 0.0},
    "stacked_lstm": {"units": 8, "dropout": 0.0},
    "bidirectional_lstm": {"units": [8], "heads": 2, "dropout": 0.0},
    "attentive_lstm": {"units": 8, "dropout": 0.0},
    "conv_lstm": {"filters": [8, 8], "units": 8, "dropout": 0.0},
    "transformer": _TRANSFORMER | {"rotary": False, "spans": [2, 0], "experts": 3, "checkpoint": "input"},
    "transformer_attention": _TRANSFORMER,
    "transformer_encoder": {"depth": 2, "width": 16, "heads": 2, "hidden": 32, "dropout": 0.0},
    "transformer_decoder": _TRANSFORMER,
    "transformer_cnn": _TRANSFORMER,
    "multi_head_horizon": _TRANSFORMER,
    "cross_timeframe": _TRANSFORMER,
    "lstm_transformer": _TRANSFORMER | {"units": 8},
    "adaptive_hybrid": _TRANSFORMER | {"units": 8},
    "multiscale_hybrid": _TRANSFORMER | {"units": 8, "newest_bars": 4, "scales": [2, 4]},
    "memory_augmented": {"units": 8, "short_slots": 3, "long_slots": 4, "dropout": 0.0},
    "gaf_resnet18": {"size": 16, "filters": [64], "blocks": [1], "units": 8, "dropout": 0.0, "dropout_after": 0.0},
    "episodic_memory": {"units": 8, "key_units": 4, "episodes": 32, "top": 4, "dropout": 0.0},
    "ensemble": {
        "cnn_models": ["tcn"],
        "rnn_models": ["gru"],
        "other_models": ["sequential"],
        "ensemble_method": "end_to_end",
        "options": {
            "tcn": {"filters": 8, "levels": 2, "dropout": 0.0},
            "gru": {"units": [8], "dropout": 0.0},
            "sequential": {"layers": 6, "width": 16, "dropout": 0.0},
        },
    },
}
WITH_DROPOUT = {name: options | {"dropout": 0.2} for name, options in SMALL.items()}
WITH_DROPOUT["transformer"] |= {"drop_path": 0.2}
_MEMBERS = SMALL["ensemble"]["options"]
WITH_DROPOUT["ensemble"] = SMALL["ensemble"] | {
    "options": {name: options | {"dropout": 0.2} for name, options in _MEMBERS.items()}
}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Input shapes of a model."""
    entry = catalogue.find(name)
    timeframes = TIMEFRAMES if entry.sees == "timeframes" else ()
    return input_shapes(entry.sees, FEATURES, BARS, timeframes, when=entry.when)


def build(name: str, options: dict[str, dict[str, Any]] = SMALL, head: Head | None = None) -> keras.Model:
    """The model at its small size."""
    return catalogue.build(name, shapes(name), head or binary_head(), options[name])


def inputs_of(name: str, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs, [rows, …]; what is asked of them in `targets_of` can be learned."""
    random = np.random.default_rng(seed)
    return {
        key: np.full((rows, 1), 1000, np.int32)
        if key == WHEN
        else random.normal(size=(rows, *shape)).astype(np.float32)
        for key, shape in shapes(name).items()
    }


def targets_of(inputs: dict[str, np.ndarray], head: Head | None = None) -> np.ndarray:
    """float32 [rows, outputs, classes + 2]: which class the newest bar's features say, and an outcome."""
    head = head or binary_head()
    x = inputs["features"]
    newest = x if x.ndim == 2 else x[:, -1]
    score = newest[:, 0] + 0.5 * newest[:, 2]
    codes = np.digitize(score, [0.0] if head.classes == 2 else [-0.5, 0.5])
    y = np.concatenate([np.eye(head.classes)[codes], score[:, None], np.full((len(x), 1), 0.01)], axis=1)
    return np.repeat(y[:, None], len(head.names), axis=1).astype(np.float32)


def fill_memory(model: keras.Model) -> None:
    random = np.random.default_rng(1)
    memory = model.get_layer("recall")
    ends = np.arange(memory.episodes, dtype=np.int32)
    keys = random.normal(size=(memory.episodes, memory.keys.shape[1])).astype(np.float32)
    known = random.random((memory.episodes, memory.answers)).astype(np.float32)
    memory.write(keys, known, ends, np.ones(memory.episodes, np.float32))
