"""Which rows each step reads, and that they arrive whole, in order and once."""

import numpy as np
import pytest

from deepstack.config.samples import AugmentConfig
from deepstack.errors import ConfigError, DataError
from deepstack.samples.augment import make_augment
from deepstack.samples.batches import BatchPlan, Samples, training_batches, validation_batches
from deepstack.samples.windows import Windows

ROWS = np.arange(2 * 100, dtype=np.float32).reshape(100, 2)
WHOLE = {
    "rows": ROWS,
    "windows": np.stack([ROWS[max(row, 6) - 6 : max(row, 6) + 1] for row in range(100)]),
}
"""What the samples would be if they were materialised."""


def make_samples(count=50, kind="rows"):
    index = np.arange(100)[-count:]
    x = ROWS if kind == "rows" else Windows(ROWS, np.maximum(np.arange(100), 6), 7)
    y = np.stack([index % 2, index % 3, index], axis=1).reshape(count, 1, 3).astype(np.float32)
    return Samples(x, index, y, index[:, None].astype(np.float32))


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


@pytest.mark.parametrize("kind", WHOLE)
def test_batches_hold_the_rows_the_plan_names(kind):
    samples, plan = make_samples(kind=kind), BatchPlan(50, 8, 2, seed=1)
    for step, (x, y, weight) in enumerate(steps_of(samples, plan, 0, 4)):
        rows = samples.index[plan.positions(step)]
        assert x.shape == (2, 8, *WHOLE[kind].shape[1:])
        np.testing.assert_array_equal(x, WHOLE[kind][rows])
        np.testing.assert_array_equal(y, np.stack([rows % 2, rows % 3, rows], axis=-1)[:, :, None])
        np.testing.assert_array_equal(weight, rows[..., None])


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


@pytest.mark.parametrize("kind", WHOLE)
def test_validation_is_in_order_with_its_last_batch_filled_up(kind):
    samples, whole = make_samples(50, kind), WHOLE[kind]
    x = np.concatenate([batch[0].numpy() for batch in validation_batches(samples, 16)])
    assert x.shape == (64, *whole.shape[1:])
    np.testing.assert_array_equal(x[:50], whole[samples.index])
    np.testing.assert_array_equal(x[50:], np.repeat(whole[samples.index[-1:]], 14, axis=0))


def several_inputs():
    """A row, a window and a time of each sample, as a model of several inputs sees them."""
    samples, windows = make_samples(), make_samples(kind="windows").x
    when = np.arange(100, dtype=np.int32)[:, None]
    return Samples({"fast": windows, "slow": ROWS[:, :1], "when": when}, samples.index, samples.y, samples.weight)


def test_named_inputs_keep_their_names_types_and_samples():
    plan = BatchPlan(50, 8, 1, 0)
    x, _, _ = next(iter(training_batches(several_inputs(), plan, 0, 1)))
    rows = several_inputs().index[plan.positions(0)]
    expected = {"fast": WHOLE["windows"][rows], "slow": ROWS[rows, :1], "when": rows[..., None]}
    assert list(x) == list(expected)
    assert x["when"].dtype == "int32"
    for name, part in x.items():
        assert tuple(part.shape) == expected[name].shape
        np.testing.assert_array_equal(part, expected[name])


# Augmentation


def varied(first, last, **replicas):
    """Steps of noisy, mixed samples of several inputs, as (dict of arrays, y, weight)."""
    augment = make_augment(AugmentConfig(transforms=("noise", "mixup"), share=0.9), windows=False)
    batches = training_batches(several_inputs(), BatchPlan(50, 8, 2, seed=1), first, last, augment=augment, **replicas)
    return list(batches.as_numpy_iterator())


def assert_same(one, other):
    for name, part in one[0].items():
        np.testing.assert_array_equal(part, other[0][name])
    for part, twin in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(part, twin)


def test_variation_changes_features_targets_and_weights_but_no_time_or_stored_sample():
    before, plan = ROWS.copy(), BatchPlan(50, 8, 2, seed=1)
    for step, (x, y, weight) in enumerate(varied(0, 3)):
        rows = several_inputs().index[plan.positions(step)]
        assert (x["fast"] != WHOLE["windows"][rows]).mean() > 0.5
        assert (y[:, :, 0, 2] != rows).any()
        np.testing.assert_array_equal(x["when"], rows[..., None])
        assert (weight[..., 0] != rows).any()  # mixed with the targets
    np.testing.assert_array_equal(ROWS, before)


def test_a_variation_depends_on_step_and_replica_alone():
    whole = varied(0, 9)
    for one, late in zip(whole[4:], varied(4, 9), strict=True):
        assert_same(one, late)
    both = varied(0, 3, replicas=[0, 1], of=2)
    for replica in (0, 1):
        for one, alone in zip(both[replica::2], varied(0, 3, replicas=[replica], of=2), strict=True):
            assert_same(one, alone)


def test_every_batch_of_a_step_and_replica_draws_anew():
    def draw(inputs, y, weight, random):
        y[...] = random.random()

    batches = training_batches(make_samples(), BatchPlan(50, 8, 2, 1), 0, 3, replicas=[0, 1], of=2, augment=draw)
    drawn = np.array([y[:, 0, 0, 0] for _, y, _ in batches.as_numpy_iterator()])
    assert len(np.unique(drawn)) == drawn.size == 3 * 2 * 2


def test_what_cannot_be_batched_is_refused():
    with pytest.raises(ConfigError, match="at most 50 samples a step"):
        BatchPlan(50, 32, 2, seed=0)
    x = np.zeros((5, 1), np.float32)
    with pytest.raises(DataError, match="as many labels and weights"):
        Samples(x, np.arange(3), np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match="rows from 0 to 4"):
        Samples(x, np.array([5]), np.zeros(1), np.zeros(1))
