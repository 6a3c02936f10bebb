"""Filling an episodic memory between epochs: training windows, what became of them, and when that was known."""

from collections.abc import Callable

import keras
import numpy as np

from deepstack.artifact.model import raw_outputs, up_to
from deepstack.layers.episodic_recall import EpisodicRecall
from deepstack.models.heads import Head
from deepstack.models.memory.episodic_memory import KEY, RECALL
from deepstack.pipeline.samples import part
from deepstack.samples.batches import Samples
from deepstack.training.losses import SampleLoss

LOOKED_AT = 4
"""So many times the memory's places are drawn and weighed before the most important stay."""
LEAST, MOST = 0.25, 4.0
"""Bounds of an episode's importance, in multiples of the mean."""


def refresher(
    train: Samples, end_s: np.ndarray, head: Head, loss: SampleLoss, seed: int
) -> Callable[[keras.Model, int], None]:
    """What `fit` calls before each epoch: keys of the encoder as it is now, and episodes it has found hard.

    An episode's importance is the model's loss on it: what surprises is remembered (after Schaul et al. 2016,
    Prioritized experience replay). Which episodes stay is drawn by importance without replacement (Efraimidis &
    Spirakis 2006); the draw depends on seed and epoch alone.

    Args:
        train: training slice; nothing else is ever written.
        end_s: int32 [samples], when each of its labels had ended, seconds since 2000-01-01.
        head: what the model's outputs mean.
        loss: one that is positive, such as the cross-entropy.
        seed: of the draw.
    """

    def refresh(model: keras.Model, epoch: int) -> None:
        memory: EpisodicRecall = model.get_layer(RECALL)
        random = np.random.default_rng([seed, epoch])
        count = min(len(train), LOOKED_AT * memory.episodes)
        looked_at = np.sort(random.choice(len(train), count, replace=False))
        outputs = raw_outputs(model, part(train.arrays, train.index[looked_at]))
        losses = np.asarray(loss(train.y[looked_at], outputs)).sum(axis=-1)
        importance = np.clip(losses / losses.mean(), LEAST, MOST)
        order = np.argsort(-(random.random(count) ** (1.0 / importance)), kind="stable")[: memory.episodes]
        kept = looked_at[order]
        keys = raw_outputs(up_to(model, KEY), part(train.arrays, train.index[kept]))
        known = train.y[kept][..., : head.classes].reshape(len(kept), -1)
        memory.write(keys, known, end_s[kept], importance[order].astype(np.float32))

    return refresh


def ended(model: keras.Model, numbers: np.ndarray) -> np.ndarray:
    """When the label of each recalled episode had ended: numbers of any shape, −1 for none, to datetime64[s], UTC."""
    which = numbers.astype(np.int64)
    seconds = model.get_layer(RECALL).end_s.numpy().astype("timedelta64[s]")
    times = np.datetime64("2000-01-01", "s") + seconds[which]
    return np.where(which < 0, np.datetime64("NaT", "s"), times)
