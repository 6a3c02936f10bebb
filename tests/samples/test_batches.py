"""Which rows each step reads, and that they arrive whole, in order and once."""

import numpy as np
import pytest

from deepstack.errors import ConfigError, DataError
from deepstack.samples.batches import BatchPlan, Samples, training_batches, validation_batches


def make_samples(count=50):
    x = np.arange(2 * 100, dtype=np.float32).reshape(100, 2)
    index = np.arange(100)[-count:]
    return Samples(x, index, (index % 2).astype(np.float32), index.astype(np.float32))


def steps_of(samples, plan, first, last, **replicas):
    return [tuple(part.numpy() for part in batch) for batch in training_batches(samples, plan, first, last, **replicas)]


def test_an_epoch_reads_every_sample_at_most_once_and_drops_another_remainder_each_time():
    plan = BatchPlan(samples=50, batch_size=8, accumulate_steps=2, seed=1)
    assert plan.steps_per_epoch == 3
    epochs = [np.concatenate([plan.positions(3 * epoch + step).ravel() for step in range(3)]) for epoch in range(2)]
    assert all(len(np.unique(positions)) == 48 for positions in epochs)
    assert set(epochs[0]) != set(epochs[1])


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    plan = BatchPlan(50, 8, 1, seed=1)
    late = plan.positions(20)
    assert np.array_equal(BatchPlan(50, 8, 1, seed=1).positions(20), late)
    assert not np.array_equal(BatchPlan(50, 8, 1, seed=2).positions(20), late)


def test_batches_hold_the_rows_the_plan_names():
    samples, plan = make_samples(), BatchPlan(50, 8, 2, seed=1)
    for step, (x, y, weight) in enumerate(steps_of(samples, plan, 0, 4)):
        rows = samples.index[plan.positions(step)]
        assert x.shape == (2, 8, 2)
        np.testing.assert_array_equal(x, samples.x[rows])
        np.testing.assert_array_equal(y, rows % 2)
        np.testing.assert_array_equal(weight, rows)


def test_a_stream_started_late_is_the_tail_of_the_whole_stream():
    samples, plan = make_samples(), BatchPlan(50, 8, 1, seed=1)
    for whole, late in zip(steps_of(samples, plan, 0, 12)[5:], steps_of(samples, plan, 5, 12), strict=True):
        np.testing.assert_array_equal(whole[0], late[0])


def test_replicas_share_each_batch_without_overlap_in_the_order_they_are_gathered():
    samples, plan = make_samples(), BatchPlan(50, 8, 2, seed=1)
    whole = steps_of(samples, plan, 0, 3)
    first, rest = (
        steps_of(samples, plan, 0, 3, replicas=[0], of=4),
        steps_of(samples, plan, 0, 3, replicas=[1, 2, 3], of=4),
    )
    for step, (x, _, _) in enumerate(whole):
        parts = [first[step][0], *(rest[3 * step + local][0] for local in range(3))]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), x)


def test_validation_is_in_order_with_its_last_batch_filled_up():
    samples = make_samples(50)
    x = np.concatenate([batch[0].numpy() for batch in validation_batches(samples, 16)])
    assert x.shape == (64, 2)
    np.testing.assert_array_equal(x[:50], samples.x[samples.index])
    np.testing.assert_array_equal(x[50:], np.repeat(samples.x[samples.index[-1:]], 14, axis=0))


def test_named_inputs_keep_their_names():
    samples = make_samples()
    named = Samples({"fast": samples.x, "slow": samples.x[:, :1]}, samples.index, samples.y, samples.weight)
    x, _, _ = next(iter(training_batches(named, BatchPlan(50, 8, 1, 0), 0, 1)))
    assert {name: tuple(part.shape) for name, part in x.items()} == {"fast": (1, 8, 2), "slow": (1, 8, 1)}


def test_what_cannot_be_batched_is_refused():
    with pytest.raises(ConfigError, match="at most 50 samples a step"):
        BatchPlan(50, 32, 2, seed=0)
    x = np.zeros((5, 1), np.float32)
    with pytest.raises(DataError, match="as many labels and weights"):
        Samples(x, np.arange(3), np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match="rows from 0 to 4"):
        Samples(x, np.array([5]), np.zeros(1), np.zeros(1))
