"""Each variation is its formula, leaves the decision where it was, and reaches training batches alone."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from deepstack.config.samples import AugmentConfig
from deepstack.errors import ConfigError
from deepstack.samples import augment
from deepstack.samples.augment import make_augment
from deepstack.samples.batches import BatchPlan, Samples, training_batches, validation_batches
from deepstack.samples.windows import Windows

ALL = ("time_warp", "magnitude_warp", "window_slice", "noise", "mixup", "cutmix")
CONFIG = AugmentConfig(share=1.0)
BATCH, LENGTH = 400, 24


def ramps(length: int = LENGTH) -> np.ndarray:
    """Windows whose value says which step it is: what interpolation reads is the time it reads at."""
    return np.repeat(np.arange(length, dtype=np.float32)[None, :, None], BATCH, axis=0)


def targets() -> np.ndarray:
    """One-hot shares of three classes, an outcome and a cost: [batch, 1, 5]."""
    random = np.random.default_rng(7)
    worth = np.column_stack([random.normal(size=BATCH), np.full(BATCH, 0.1)])
    return np.concatenate([np.eye(3)[random.integers(0, 3, BATCH)], worth], axis=1)[:, None].astype(np.float32)


def varied(name: str, *inputs: np.ndarray, config: AugmentConfig = CONFIG, seed: int = 0) -> tuple:
    """(inputs, targets) after one transform."""
    copies, y, weight = [x.copy() for x in inputs], targets(), np.ones((BATCH, 1), np.float32)
    make = make_augment(config.model_copy(update={"transforms": (name,)}), windows=inputs[0].ndim == 3)
    assert make is not None
    make(copies, y, weight, np.random.default_rng(seed))
    return (*copies, y)


@pytest.mark.parametrize("name", ALL[:4])
def test_labels_stay_unless_samples_are_mixed(name: str) -> None:
    x, y = varied(name, ramps())
    assert (np.abs(x - ramps()).max(axis=(1, 2)) > 0.0).mean() > 0.99
    np.testing.assert_array_equal(y, targets())


@pytest.mark.parametrize("strength", [0.2, 0.9])
def test_time_warp_is_monotone_and_keeps_the_ends(strength: float) -> None:
    x, _ = varied("time_warp", ramps(), config=CONFIG.model_copy(update={"warp_strength": strength}))
    at = x[..., 0]
    assert (np.diff(at, axis=1) > 0.0).all()
    np.testing.assert_array_equal(at[:, 0], 0.0)
    np.testing.assert_array_equal(at[:, -1], LENGTH - 1.0)
    strength = [
        varied("time_warp", ramps(), config=CONFIG.model_copy(update={"warp_strength": s})) for s in (0.01, 0.4)
    ]
    weak, strong = (np.abs(x - ramps()).mean() for x, _ in strength)
    assert strong > 10.0 * weak


def test_timeframes_are_warped_together() -> None:
    long, short, _ = varied("time_warp", ramps(), ramps(12))
    np.testing.assert_array_equal(short[:, [0, -1], 0], [[0.0, 11.0]] * BATCH)
    # The short window runs at the speed of the long one's newest part.
    steps_long, steps_short = np.diff(long[..., 0], axis=1)[:, -11:], np.diff(short[..., 0], axis=1)
    ratio = steps_short / steps_long
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-3)


def test_magnitude_warp_multiplies_by_a_smooth_curve_around_one() -> None:
    x, _ = varied("magnitude_warp", np.ones((BATCH, LENGTH, 2), np.float32))
    np.testing.assert_array_equal(x[..., 0], x[..., 1])
    knots = np.linspace(0.0, LENGTH - 1.0, CONFIG.warp_knots + 2)
    assert x[:, 0, 0].mean() == pytest.approx(1.0, abs=4 * 0.2 / np.sqrt(BATCH))
    assert x[:, 0, 0].std() == pytest.approx(CONFIG.warp_strength, rel=0.2)
    # Read between the steps at its knots, the curve is the cubic spline through them and no more.
    fine = AugmentConfig(share=1.0, warp_knots=LENGTH - 2)
    free, _ = varied("magnitude_warp", np.ones((BATCH, LENGTH, 1), np.float32), config=fine)
    roughness = [np.abs(np.diff(curves[..., 0], 2, axis=1)).mean() for curves in (x, free)]
    assert roughness[1] > 3.0 * roughness[0]
    six = CubicSpline(np.arange(LENGTH), x[..., 0], axis=1)(knots)
    np.testing.assert_allclose(CubicSpline(knots, six, axis=1)(np.arange(LENGTH)), x[..., 0], atol=5e-3)


def test_a_slice_ends_at_the_decision_and_is_stretched_evenly() -> None:
    config = CONFIG.model_copy(update={"slice_share": 0.6})
    x, _ = varied("window_slice", ramps(), config=config)
    at = x[..., 0]
    np.testing.assert_array_equal(at[:, -1], LENGTH - 1.0)
    share = (at[:, -1] - at[:, 0]) / (LENGTH - 1)
    assert 0.6 <= share.min() < 0.65
    assert 0.95 < share.max() <= 1.0
    np.testing.assert_allclose(np.diff(at, axis=1), np.broadcast_to(share[:, None], (BATCH, LENGTH - 1)), atol=1e-4)


@pytest.mark.parametrize("scale", [0.05, 0.5])
def test_noise_has_the_stated_scale(scale: float) -> None:
    before = np.zeros((BATCH, LENGTH, 4), np.float32)
    x, _ = varied("noise", before, config=CONFIG.model_copy(update={"noise": scale}))
    assert x.std() == pytest.approx(scale, rel=0.02)
    assert abs(x.mean()) < 4.0 * scale / np.sqrt(x.size)
    assert abs(np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1]) < 0.03


def marked() -> np.ndarray:
    """Windows whose value says whose they are."""
    return np.repeat(np.arange(BATCH, dtype=np.float32)[:, None, None], LENGTH, axis=1)


def partner_and_share(mixed: np.ndarray, own: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The draws of mixup and of cutmix, made again."""
    random = np.random.default_rng(0)
    random.random(BATCH)
    partner = random.integers(BATCH, size=BATCH)
    if name == "mixup":
        return partner, random.beta(CONFIG.mix_alpha, CONFIG.mix_alpha, BATCH)
    return partner, (mixed == own).mean(axis=(1, 2))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_targets_mix_by_the_share_of_each_input(name: str) -> None:
    before, own_targets = marked(), targets()
    x, y = varied(name, before)
    partner, share = partner_and_share(x, before, name)
    share = np.where(partner == np.arange(BATCH), 1.0, share)[:, None, None]
    assert ((share > 0.0) & (share < 1.0)).mean() > 0.3
    np.testing.assert_allclose(
        x.mean(axis=(1, 2)), (share * before + (1 - share) * before[partner])[:, 0, 0], rtol=1e-4
    )
    np.testing.assert_allclose(y, share * own_targets + (1.0 - share) * own_targets[partner], atol=1e-5)
    np.testing.assert_allclose(y[..., :3].sum(axis=-1), 1.0, atol=1e-6)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_keeps_the_weight_of_every_class(name: str) -> None:
    """A rare class that is weighed up stays so: Σ weight · share of it is what it was, in the mean over draws."""
    random = np.random.default_rng(0)
    rare = random.random(BATCH) < 0.1
    y = np.stack([~rare, rare, *np.zeros((2, BATCH))], axis=1)[:, None].astype(np.float32)
    weight = np.where(rare, 0.5 / rare.mean(), 0.5 / (1.0 - rare.mean()))[:, None].astype(np.float32)
    make = make_augment(CONFIG.model_copy(update={"transforms": (name,)}), windows=True)
    assert make is not None
    shares = []
    for seed in range(40):
        mixed, weights = y.copy(), weight.copy()
        make([np.zeros((BATCH, LENGTH, 1), np.float32)], mixed, weights, np.random.default_rng(seed))
        shares.append((weights[:, 0] * mixed[:, 0, 1]).sum() / weights.sum())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)


def test_cutmix_pastes_one_stretch_at_the_same_place_in_time() -> None:
    before = marked() + np.arange(LENGTH, dtype=np.float32)[:, None] / 100.0
    x, _ = varied("cutmix", before)
    pasted = np.floor(x[..., 0] + 1e-3) != np.arange(BATCH)[:, None]
    assert (np.abs(np.diff(pasted.astype(int), axis=1)).sum(axis=1) <= 2).all()
    np.testing.assert_allclose(
        (x[..., 0] + 1e-3) % 1.0, np.broadcast_to(np.arange(LENGTH) / 100 + 1e-3, x.shape[:2]), atol=1e-3
    )


def test_a_row_of_one_bar_can_be_mixed_but_not_warped() -> None:
    x, y = varied("mixup", np.random.default_rng(0).normal(size=(BATCH, 5)).astype(np.float32))
    assert (x.shape, y.shape) == ((BATCH, 5), (BATCH, 1, 5))
    for name in ("time_warp", "magnitude_warp", "window_slice", "cutmix"):
        with pytest.raises(ConfigError, match=f"noise or mixup for a model that sees one bar, received {name}"):
            make_augment(CONFIG.model_copy(update={"transforms": (name,)}), windows=False)
    assert make_augment(CONFIG, windows=True) is None


@pytest.mark.parametrize("name", ALL)
def test_a_share_of_the_samples_is_varied_and_the_seed_decides_how(name: str) -> None:
    config, before = CONFIG.model_copy(update={"share": 0.3}), marked() + ramps() + 1.0
    first, again, other = (varied(name, before, config=config, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    touched = (first != before).any(axis=(1, 2)).mean()
    assert touched < 0.3 + 4.0 * np.sqrt(0.21 / BATCH)
    assert touched > (0.1 if name == "cutmix" else 0.2)  # the cut may round to no step at all


@pytest.fixture
def samples() -> Samples:
    random = np.random.default_rng(3)
    values = random.normal(size=(300, 3)).astype(np.float32)
    moments = np.arange(280, dtype=np.int32)[:, None] + 700_000_001  # no float32 holds these
    inputs: dict = {"features": Windows(values, np.arange(20, 300), 16), "decision_s": moments}
    y = np.concatenate([np.eye(3)[random.integers(0, 3, 200)], np.ones((200, 2))], axis=1)[:, None]
    return Samples(inputs, np.arange(50, 250), y.astype(np.float32), np.ones((200, 1), np.float32))


@pytest.fixture
def everything() -> Callable:
    found = make_augment(AugmentConfig(transforms=ALL), windows=True)
    assert found is not None
    return found


def test_training_batches_alone_are_varied_and_repeatable(samples: Samples, everything: Callable) -> None:
    plan = BatchPlan(200, 16, 2, seed=5)
    matrix, y = samples.arrays["features"].values.copy(), samples.y.copy()

    def steps(first: int, **options: object) -> list:
        return [
            [part["features"].numpy(), y.numpy()] for part, y, _ in training_batches(samples, plan, first, 8, **options)
        ]

    plain, whole, late = steps(0), steps(0, augment=everything), steps(5, augment=everything)
    for step, (x, _) in enumerate(whole):
        assert not np.array_equal(x, plain[step][0])
        assert not np.array_equal(x[0], x[1])
    for a, b in zip(whole[5:], late, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_array_equal(samples.arrays["features"].values, matrix)
    np.testing.assert_array_equal(samples.y, y)
    x = np.concatenate([part["features"] for part, _, _ in validation_batches(samples, 16)])[:200]
    np.testing.assert_array_equal(x, samples.arrays["features"][samples.index])


def test_the_time_of_a_decision_is_no_feature_to_vary(samples: Samples, everything: Callable) -> None:
    plan = BatchPlan(200, 16, 1, seed=5)
    for step, (x, _, _) in enumerate(training_batches(samples, plan, 0, 4, augment=everything)):
        rows = samples.index[plan.positions(step)]
        np.testing.assert_array_equal(x["decision_s"], samples.arrays["decision_s"][rows])


def test_every_transform_of_the_config_exists() -> None:
    assert set(ALL) == {*augment._TRANSFORMS, *augment._MIXING}


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_two_times_are_not_mixed_for_a_model_that_knows_when(name: str) -> None:
    with pytest.raises(ConfigError, match=f"received {name}"):
        make_augment(AugmentConfig(transforms=(name,)), windows=True, dated=True)
