"""Attention pooling: a sequence becomes one vector, weighted by what a learned query finds."""

from typing import Any

import keras


def attention_pooled(x: Any, name: str = "attention") -> Any:
    """`[batch, time, width]` to `[batch, width]`, Σ_t w_t x_t with w = softmax over time of vᵀ tanh(W x_t).

    The layer `<name>_weights` gives w, `[batch, time]`, for plotting (Bahdanau, Cho & Bengio 2015, with a fixed query).
    """
    hidden = keras.layers.Dense(x.shape[-1], activation="tanh", name=f"{name}_hidden")(x)
    score = keras.layers.Dense(1, use_bias=False, name=f"{name}_score")(hidden)
    flat = keras.layers.Reshape((x.shape[1],), name=f"{name}_flat")(score)
    weights = keras.layers.Softmax(name=f"{name}_weights")(flat)
    return keras.layers.Dot(axes=1, name=f"{name}_pooled")([weights, x])
