"""Dropout with masks drawn once: the subnetworks whose answers tell how sure the whole network is."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from deepstack.artifact.fold import loops
from deepstack.layers.counter_dropout import CounterDropout
from deepstack.layers.drop_path import DropPath
from deepstack.layers.remat_scan import RematScan

PASSES = 16
"""Subnetworks: a mask is one bit of a 16-bit number each."""
LEAST_ROOM_BYTES = 1_000_000


class MasksDoNotFitError(Exception):
    """The network's masks would outgrow its weights, or have no fixed shape."""


class FixedMasks:
    """Inverted dropout whose 16 masks a layer are constants of the graph, once switched on.

    Rows are those of subnetwork 0, then those of subnetwork 1, and so on: `tile` the inputs. All samples of a
    subnetwork share its masks, so that it is one network, the same in every call.

    Args:
        seed: the masks follow from it and from the order in which the network asks.
        limit_bytes: of all masks.
    """

    def __init__(self, seed: int, limit_bytes: int) -> None:
        self._random, self._left = np.random.default_rng(seed), limit_bytes
        self._on = False
        self._made: dict[tuple, tuple[tf.Tensor, ...]] = {}

    @contextmanager
    def on(self) -> Iterator[None]:
        """While it lasts, dropout drops."""
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def __call__(self, layer: keras.Layer, x: tf.Tensor) -> tf.Tensor:
        """A `Drop`: x float [16 × batch, …] with the layer's share of it zero and the rest scaled up.

        Raises:
            MasksDoNotFitError: they are too large, or of no fixed shape.
        """
        if not self._on or layer.rate == 0.0:
            return x
        codes = tf.constant(self._codes(layer, x))
        powers, scale, none, whole, flat = self._constants(layer.rate, x)
        raw = tf.raw_ops  # a deep network has hundreds of these, and Python's wrappers take most of the time
        kept = raw.Cast(x=raw.BitwiseAnd(x=codes, y=powers), DstT=tf.bool)
        rows = raw.Reshape(tensor=raw.Mul(x=x, y=scale), shape=whole)
        return raw.Reshape(tensor=raw.SelectV2(condition=kept, t=rows, e=none), shape=flat)

    def _constants(self, rate: float, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """2^k of subnetwork k, the scale of what is kept, 0, and the two shapes: one node each, not one a layer."""
        key = rate, x.dtype, tuple(x.shape)
        if key not in self._made:
            each = x.shape[1:].as_list()
            powers = (2 ** np.arange(PASSES)).astype(np.uint16).reshape(PASSES, *(1 for _ in x.shape))
            with tf.init_scope():
                self._made[key] = (
                    tf.constant(powers),
                    tf.constant(1.0 / (1.0 - rate), x.dtype),
                    tf.zeros((), x.dtype),
                    tf.constant([PASSES, -1, *each]),
                    tf.constant([-1, *each]),
                )
        return self._made[key]

    def _codes(self, layer: keras.Layer, x: tf.Tensor) -> np.ndarray:
        """uint16 [1, 1, …]: bit k says whether subnetwork k keeps the value."""
        if not x.shape[1:].is_fully_defined():
            raise MasksDoNotFitError(f"{layer.name} sees {x.shape}, expected a fixed shape of each sample")
        shape = [1 for _ in x.shape[1:]] if isinstance(layer, DropPath) else x.shape[1:].as_list()
        self._left -= 2 * int(np.prod(shape))
        if self._left < 0:
            raise MasksDoNotFitError("the masks would take more room than the weights")
        kept = self._random.random((*shape, PASSES)) >= layer.rate
        return np.packbits(kept, axis=-1, bitorder="little").view("<u2").reshape(1, 1, *shape)


def tile(values: tf.Tensor) -> tf.Tensor:
    """[batch, …] once for every subnetwork: [16 × batch, …]."""
    return tf.tile(values, [PASSES, *(1 for _ in values.shape[1:])])


def every_layer(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers, those inside a block that is repeated included."""
    for layer in model._flatten_layers(include_self=False):
        yield layer
        if isinstance(layer, RematScan):
            yield from layer.template._flatten_layers()


def can_fix(model: keras.Model) -> bool:
    """Whether a network has dropout, and each of its dropouts can be given fixed masks once it is folded."""
    drawing = [layer for layer in every_layer(model) if _draws(layer)]
    looped = (layer.template for layer in every_layer(model) if isinstance(layer, RematScan) and loops(layer))
    in_loops = any(_draws(part) for template in looped for part in template._flatten_layers())
    return bool(drawing) and not in_loops and all(map(_has_masks, drawing))


def _draws(layer: keras.Layer) -> bool:
    """Whether a layer has randomness of its own in training."""
    if hasattr(layer, "recurrent_dropout"):
        return bool(layer.dropout or layer.recurrent_dropout)
    return bool(layer._seed_generators) and getattr(layer, "rate", 1.0) > 0.0


def _has_masks(layer: keras.Layer) -> bool:
    plain = type(layer) is keras.layers.Dropout and layer.noise_shape is None
    return plain or type(layer) in (CounterDropout, DropPath)
