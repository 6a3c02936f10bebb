"""An encoder that recalls similar past windows, those whose outcome was known, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras

from deepstack.layers.episodic_recall import EpisodicRecall
from deepstack.layers.recalled_mixture import RecalledMixture
from deepstack.models.heads import Head
from deepstack.models.inputs import BASE, WHEN
from deepstack.models.options import between, positive

EXPLAINS = {"recalled": "recall"}
KEY, RECALL = "key", "recall"
"""Layers: the key of a window, and the memory."""


@dataclass(frozen=True)
class EpisodicMemoryConfig:
    """Options of the network.

    Attributes:
        units: of the encoder.
        key_units: of the key by which windows are compared.
        episodes: places in the memory.
        top: episodes recalled for each decision.
        dropout: on the encoding.
    """

    units: int = 64
    key_units: int = 32
    episodes: int = 4096
    top: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "units", "key_units", "episodes", "top")
        between(self, 0.0, 1.0, "dropout")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: EpisodicMemoryConfig) -> keras.Model:
    """Build the network: `{"features": (bars, features), "decision_s": (1,)}` to the head's outputs.

    The memory is empty until it is written; the head then has the encoding alone.
    """
    answers = len(head.names) * head.classes

    # Layers
    features = keras.Input(inputs[BASE], name=BASE)
    decision = keras.Input(inputs[WHEN], dtype="int32", name=WHEN)
    read = keras.layers.GRU(config.units, name="encoder")
    key = keras.layers.Dense(config.key_units, name=KEY)
    recall = EpisodicRecall(config.episodes, answers, config.top, name=RECALL)

    # Graph
    x = keras.layers.Dropout(config.dropout, name="dropout")(read(features))
    what_became_of_them = RecalledMixture(name="what_became_of_them")(recall(key(x), decision))
    x = keras.layers.Concatenate(name="joined")([x, what_became_of_them])
    x = keras.layers.Dense(config.units, activation="relu", name="dense")(x)
    return keras.Model({BASE: features, WHEN: decision}, head.outputs(x), name="episodic_memory")
