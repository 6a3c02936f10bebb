"""What the memory is filled with between epochs: training windows, the hard ones first, with what became of them."""

import keras
import numpy as np
import pytest

from deepstack.config.training import TrainingConfig
from deepstack.layers.episodic_recall import EpisodicRecall
from deepstack.models.heads import Head, binary_head
from deepstack.models.inputs import BASE, WHEN
from deepstack.models.memory.episodic_memory import RECALL, EpisodicMemoryConfig, build
from deepstack.pipeline.episodes import LEAST, MOST, refresher
from deepstack.samples.batches import Samples
from deepstack.training.losses import make_loss

ROWS, TRAIN, PLACES = 120, 80, 20


@pytest.fixture(scope="module")
def head() -> Head:
    return binary_head()


@pytest.fixture(scope="module")
def model(head: Head) -> keras.Model:
    keras.utils.set_random_seed(1)
    config = EpisodicMemoryConfig(units=4, key_units=3, episodes=PLACES, top=2)
    return build({BASE: (6, 2), WHEN: (1,)}, head, config)


@pytest.fixture(scope="module")
def train() -> Samples:
    """The first rows of a longer table, half of them won."""
    random = np.random.default_rng(0)
    inputs = {BASE: random.normal(size=(ROWS, 6, 2)).astype("float32"), WHEN: np.arange(ROWS, dtype="int32")[:, None]}
    won = np.arange(TRAIN) % 2
    y = np.column_stack([1 - won, won, won, np.zeros(TRAIN)]).astype("float32")[:, None]
    return Samples(inputs, np.arange(TRAIN), y, np.ones((TRAIN, 1), "float32"))


def written(model: keras.Model, train: Samples, head: Head, hard: np.ndarray, epoch: int) -> EpisodicRecall:
    """The memory after one refresh under a loss that finds some samples a hundred times as hard."""

    def loss(y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        order = [int(np.flatnonzero((train.y == one).all(axis=(1, 2)))[0]) for one in y]
        return np.where(hard[order], 100.0, 1.0)[:, None]

    refresher(train, 1000 + np.arange(TRAIN, dtype="int32"), head, loss, seed=3)(model, epoch)
    return model.get_layer(RECALL)


def test_episodes_are_training_windows_with_their_keys_answers_and_ends(
    model: keras.Model, train: Samples, head: Head
) -> None:
    ends = 1000 + np.arange(TRAIN, dtype="int32")
    refresher(train, ends, head, make_loss(head, TrainingConfig()), seed=3)(model, 0)
    memory = model.get_layer(RECALL)
    rows = memory.end_s.numpy() - 1000
    assert len(set(rows)) == PLACES
    assert ((rows >= 0) & (rows < TRAIN)).all()
    np.testing.assert_array_equal(memory.known.numpy(), train.y[rows, 0, :2])
    encoder = keras.Model(model.input, model.get_layer("key").output)
    keys = np.asarray(encoder({name: values[rows] for name, values in train.arrays.items()}))
    np.testing.assert_allclose(memory.keys, keys / np.linalg.norm(keys, axis=1, keepdims=True), atol=1e-5)


def test_what_surprises_is_remembered_and_weighs_more(model: keras.Model, train: Samples, head: Head) -> None:
    marked = train.y.copy()
    marked[:, 0, 3] = np.arange(TRAIN)  # a cost that says which sample it is
    train = Samples(train.x, train.index, marked, train.weight)
    hard, kept = np.arange(TRAIN) < 20, []
    for epoch in range(5):
        memory = written(model, train, head, hard, epoch)
        rows, importance = memory.end_s.numpy() - 1000, memory.importance.numpy()
        np.testing.assert_allclose(importance, np.where(hard[rows], 100.0 / 25.75, LEAST), rtol=1e-5)
        assert importance.max() <= MOST
        kept.append(hard[rows].mean())
    # Drawn without regard to the loss, a quarter would be hard.
    assert np.mean(kept) > 0.6
    easy = set(np.flatnonzero(~hard)) & set(rows)
    assert easy, "the easy ones are rarer, not shut out"


def test_the_draw_is_that_of_the_seed_and_epoch(model: keras.Model, train: Samples, head: Head) -> None:
    """For equal losses: what the model finds hard depends on what it remembers already."""
    banks = []
    for epoch in (0, 1, 0):
        refresh = refresher(train, np.arange(TRAIN, dtype="int32"), head, lambda y, _: np.ones((len(y), 1)), seed=3)
        refresh(model, epoch)
        banks.append(model.get_layer(RECALL).end_s.numpy())
    np.testing.assert_array_equal(banks[0], banks[2])
    assert not np.array_equal(np.sort(banks[0]), np.sort(banks[1]))
