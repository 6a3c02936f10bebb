"""Retrieval of similar past episodes whose outcome was known at the time of the decision."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

NEVER_S = 2**31 - 1
"""End of an empty place in the bank: later than any decision."""


@keras.saving.register_keras_serializable(package="deepstack")
class EpisodicRecall(keras.layers.Layer):
    """The `top` episodes nearest to a query, and what became of them.

    The bank holds for each episode its key, the answers, its end and an importance. An episode can be recalled by a
    decision when its label had ended before it, so an episode never recalls itself, nor one that was still open; among
    those the scores are cosine similarity times a learned sharpness plus the logarithm of the importance, and the best
    `top` are mixed by softmax. The bank is not trained: `write` fills it from training samples between epochs, and at
    inference it is frozen (compare Pritzel et al. 2017, Neural episodic control).

    Inputs: query `[batch, units]` and decision time int32 `[batch, 1]`, seconds since 2000-01-01.

    Output: float32 `[batch, top, 2 + answers]`: episode number (−1: none), its share of the mixture, its answers.

    Args:
        episodes: places in the bank.
        answers: figures kept of each episode.
        top: how many are recalled.
    """

    def __init__(self, episodes: int, answers: int, top: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.episodes, self.answers, self.top = episodes, answers, min(top, episodes)

    def build(self, query_shape: tuple[int | None, ...], decision_shape: tuple[int | None, ...]) -> None:
        """Create the bank, empty."""
        units = int(query_shape[-1] or 0)

        def held(name: str, shape: tuple[int, ...], dtype: str = "float32", fill: float = 0.0) -> keras.Variable:
            initializer = keras.initializers.Constant(fill)
            return self.add_weight(shape, initializer, dtype=dtype, trainable=False, autocast=False, name=name)

        self.keys = held("keys", (self.episodes, units))
        self.known = held("known", (self.episodes, self.answers))
        self.end_s = held("end_s", (self.episodes,), "int32", NEVER_S)
        self.importance = held("importance", (self.episodes,), fill=1.0)
        self.sharpness = self.add_weight((), keras.initializers.Constant(5.0), name="sharpness")
        self.built = True

    def call(self, query: tf.Tensor, decision: tf.Tensor) -> tf.Tensor:
        """Recall."""
        query = ops.normalize(ops.cast(query, "float32"), axis=-1, epsilon=1e-6)
        likeness = ops.matmul(query, ops.transpose(self.keys))
        scores = ops.cast(self.sharpness, "float32") * likeness + ops.log(self.importance)
        past = ops.convert_to_tensor(self.end_s)[None, :] < decision
        best, which = ops.top_k(ops.where(past, scores, -1e9), self.top)
        found = best > -5e8
        share = ops.softmax(best, axis=-1) * ops.cast(found, "float32")
        number = ops.where(found, ops.cast(which, "float32"), -1.0)
        answers = ops.take(ops.convert_to_tensor(self.known), which, axis=0) * ops.cast(found, "float32")[..., None]
        return ops.concatenate([number[..., None], share[..., None], answers], axis=-1)

    def write(self, keys: np.ndarray, known: np.ndarray, end_s: np.ndarray, importance: np.ndarray) -> None:
        """Replace the bank; fewer episodes than places leave the rest empty.

        Args:
            keys: float32 [episodes, units], normalised here.
            known: float32 [episodes, answers].
            end_s: int32 [episodes], end of each label, seconds since 2000-01-01.
            importance: float32 [episodes], > 0.
        """
        count = min(len(keys), self.episodes)
        fills = ((self.keys, _unit(keys), 0), (self.known, known, 0), (self.end_s, end_s, NEVER_S))
        for variable, values, empty in (*fills, (self.importance, importance, 1)):
            whole = np.full(variable.shape, empty, variable.dtype)
            whole[:count] = values[:count]
            variable.assign(whole)

    def compute_output_spec(self, query: Any, decision: Any) -> keras.KerasTensor:
        """float32 under every policy."""
        return keras.KerasTensor((query.shape[0], self.top, 2 + self.answers), "float32")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        config = {"episodes": self.episodes, "answers": self.answers, "top": self.top}
        return {**super().get_config(), **config}


def _unit(keys: np.ndarray) -> np.ndarray:
    return keys / np.maximum(np.linalg.norm(keys, axis=-1, keepdims=True), 1e-6)
