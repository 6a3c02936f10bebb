"""Samples by index, and the fixed-size batches of each step: nothing is materialised, any batch can be made again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from deepstack.errors import ConfigError, DataError
from deepstack.samples.augment import Augment
from deepstack.samples.stored_images import StoredImages
from deepstack.samples.windows import Windows

Array = np.ndarray | Windows | StoredImages
Inputs = Array | Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Samples:
    """A slice of the sample table: the matrix is shared between slices, the rows are named by `index`.

    Attributes:
        x: scaled features, float32 [rows, …], an array or Windows, or input name → such.
        index: int64 [samples], the rows of `x` that belong to this slice, in time order.
        y: float32 [samples, …], target of each sample, as the loss reads it.
        weight: float32 [samples, …], weight of each sample in the loss, as many as the loss has values; a mean of 1
            over the training slice keeps the learning rate's meaning.

    Raises:
        DataError: lengths disagree, the slice is empty or an index lies outside `x`.
    """

    x: Inputs
    index: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        rows = {len(values) for values in self.arrays.values()}
        lengths = (len(self.index), len(self.y), len(self.weight))
        if len(rows) != 1 or len(set(lengths)) != 1 or lengths[0] == 0:
            raise DataError(
                "samples",
                expected="inputs of one length and as many labels and weights as indices, at least one",
                received=f"inputs of {sorted(rows)} rows; index, y, weight of {lengths}",
                remedy="check that the split left samples in every slice",
            )
        if self.index.min() < 0 or self.index.max() >= min(rows):
            raise DataError(
                "samples.index",
                expected=f"rows from 0 to {min(rows) - 1}",
                received=f"{self.index.min()} to {self.index.max()}",
                remedy="build the index from the same matrix",
            )

    def __len__(self) -> int:
        return len(self.index)

    @property
    def arrays(self) -> dict[str, Array]:
        """The inputs by name; a lone matrix has the name ''."""
        return dict(self.x) if isinstance(self.x, Mapping) else {"": self.x}


@dataclass(frozen=True)
class BatchPlan:
    """Which samples each training step sees.

    A step reads `accumulate_steps` batches of `batch_size` samples. Every batch is full, so that the step compiles
    once: the remainder of an epoch's permutation is left out of that epoch, another remainder each time. The order
    of an epoch depends on the seed and the epoch alone.

    Attributes:
        samples: number of training samples.
        batch_size: samples a batch, over all replicas together.
        accumulate_steps: batches a step.
        seed: of the shuffle.

    Raises:
        ConfigError: fewer samples than one step needs.
    """

    samples: int
    batch_size: int
    accumulate_steps: int
    seed: int

    def __post_init__(self) -> None:
        if self.samples < self.samples_per_step:
            raise ConfigError(
                "training.batch_size",
                expected=f"at most {self.samples} samples a step, the training slice",
                received=f"batch_size {self.batch_size} × accumulate_steps {self.accumulate_steps}",
                remedy="a smaller batch_size or accumulate_steps",
            )

    @property
    def samples_per_step(self) -> int:
        return self.batch_size * self.accumulate_steps

    @property
    def steps_per_epoch(self) -> int:
        return self.samples // self.samples_per_step

    def positions(self, step: int) -> np.ndarray:
        """int64 [accumulate_steps, batch_size]: positions in the slice that training step `step` (from 0) reads."""
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        start = step_in_epoch * self.samples_per_step
        order = _order(self.samples, self.seed, epoch)
        return order[start : start + self.samples_per_step].reshape(self.accumulate_steps, self.batch_size)


@lru_cache(maxsize=2)
def _order(samples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(samples)


def training_batches(
    samples: Samples,
    plan: BatchPlan,
    first_step: int,
    last_step: int,
    replicas: Sequence[int] = (0,),
    of: int = 1,
    *,
    augment: Augment | None = None,
) -> tf.data.Dataset:
    """The batches of steps `first_step` … `last_step - 1`, gathered while the step before them computes.

    Args:
        samples: the training slice.
        plan: which samples each step reads.
        first_step: where to start, counted from the beginning of training: a resumed run passes its step.
        last_step: one past the last step.
        replicas: numbers of the replicas this process feeds; their elements follow each other within a step.
        of: replicas in all; each takes an equal consecutive share of every batch.
        augment: varies the samples; the same step of the same replica always gets the same variation.

    Returns:
        Elements (x, y, weight) with leading shape [accumulate_steps, batch_size / of].
    """
    share = plan.batch_size // of

    def positions(element: int) -> np.ndarray:
        step, local = divmod(element, len(replicas))
        start = replicas[local] * share
        return plan.positions(step)[:, start : start + share]

    elements = tf.data.Dataset.range(first_step * len(replicas), last_step * len(replicas))
    vary = None if augment is None else partial(_vary, augment, plan.seed, replicas)
    return _gathered(elements, samples, positions, (plan.accumulate_steps, share), vary)


def validation_batches(
    samples: Samples, batch_size: int, replicas: Sequence[int] = (0,), of: int = 1
) -> tf.data.Dataset:
    """All samples in order, (x, y, weight) with leading shape [batch_size / of].

    The last batch is filled up by repeating the last sample: whoever reads the results keeps the first `len(samples)`.
    """
    share = batch_size // of
    steps = -(-len(samples) // batch_size)

    def positions(element: int) -> np.ndarray:
        step, local = divmod(element, len(replicas))
        start = step * batch_size + replicas[local] * share
        return np.minimum(np.arange(start, start + share), len(samples) - 1)

    return _gathered(tf.data.Dataset.range(steps * len(replicas)), samples, positions, (share,))


def _vary(
    augment: Augment,
    seed: int,
    replicas: Sequence[int],
    element: int,
    inputs: list[np.ndarray],
    y: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Vary the batches of one element in place, each [accumulate_steps, samples, …]; times stay as they are."""
    step, local = divmod(element, len(replicas))
    features = [values for values in inputs if values.dtype.kind == "f"]
    for number in range(len(y)):
        random = np.random.default_rng([seed, step, replicas[local], number])
        augment([values[number] for values in features], y[number], weight[number], random)


def _gathered(
    elements: tf.data.Dataset,
    samples: Samples,
    positions: Callable[[int], np.ndarray],
    leading: tuple[int, ...],
    vary: Callable[[int, list[np.ndarray], np.ndarray, np.ndarray], None] | None = None,
) -> tf.data.Dataset:
    arrays = samples.arrays
    sources = [*arrays.values(), samples.y, samples.weight]

    def rows(element: np.ndarray) -> list[np.ndarray]:
        chosen = positions(int(element))
        table_rows = samples.index[chosen]
        inputs = [values[table_rows] for values in arrays.values()]
        y, weight = samples.y[chosen].astype(np.float32), samples.weight[chosen].astype(np.float32)
        if vary is not None:
            vary(int(element), inputs, y, weight)
        return [*inputs, y, weight]

    def tensors(element: tf.Tensor) -> tuple[tf.Tensor | dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        parts = tf.numpy_function(
            rows, [element], [*(values.dtype for values in arrays.values()), tf.float32, tf.float32]
        )
        for part, source in zip(parts, sources, strict=True):
            part.set_shape(leading + source.shape[1:])
        *inputs, y, weight = parts
        x = dict(zip(arrays, inputs, strict=True)) if isinstance(samples.x, dict) else inputs[0]
        return x, y, weight

    return elements.map(tensors, num_parallel_calls=1, deterministic=True).prefetch(2)
