"""Variations of training samples: warping, slicing and noise of a window, mixing of two samples.

Each transform changes a share of a batch in place and draws from the generator it is given, so a step of a resumed run
sees the same variation. Windows keep their order of time, and the newest row stays the newest.
"""

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline

from deepstack.config.samples import AugmentConfig
from deepstack.errors import ConfigError

Augment = Callable[[list[np.ndarray], np.ndarray, np.ndarray, np.random.Generator], None]
"""(inputs, each float32 [batch, …, features], targets [batch, …, figures], weights [batch, …], generator), in place."""

_WINDOWED = ("time_warp", "magnitude_warp", "window_slice", "cutmix")


def make_augment(config: AugmentConfig, *, windows: bool, dated: bool = False) -> Augment | None:
    """All transforms of a config one after the other; None when it names none.

    Args:
        config: which transforms, and how strong.
        windows: whether the inputs are windows `[batch, length, features]` rather than rows `[batch, features]`.
        dated: whether the model knows when each sample is; one mixed of two times could recall what became of itself.

    Raises:
        ConfigError: a transform of windows for a model that sees one bar, or a mixing one for a model that knows when.
    """
    if not config.transforms:
        return None
    for name in config.transforms:
        if not windows and name in _WINDOWED:
            raise ConfigError(
                "samples.augment.transforms",
                expected="noise or mixup for a model that sees one bar",
                received=name,
                remedy="a model of windows, or leaving it out",
            )
        if dated and name in _MIXING:
            raise ConfigError(
                "samples.augment.transforms",
                expected="transforms of single samples for a model that recalls what was known by their time",
                received=name,
                remedy="leaving it out",
            )

    def augment(inputs: list[np.ndarray], y: np.ndarray, weight: np.ndarray, random: np.random.Generator) -> None:
        for name in config.transforms:
            chosen = np.flatnonzero(random.random(len(y)) < config.share)
            if name in _MIXING:
                partner, own = _MIXING[name](inputs, chosen, config, random)
                _mix_targets(y, weight, chosen, partner, own)
            else:
                _TRANSFORMS[name](inputs, chosen, config, random)

    return augment


def time_warp(inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator) -> None:
    """Read each window at a smoothly varying speed (Um et al. 2017, Data augmentation of wearable sensor data)."""
    speed = _smooth_curves(len(chosen), max(x.shape[1] for x in inputs), config, random)
    for x in inputs:
        distance = np.cumsum(np.maximum(speed[:, -x.shape[1] :], 0.1), axis=1)
        span = distance[:, -1:] - distance[:, :1]
        x[chosen] = _read_at(x[chosen], (distance - distance[:, :1]) / span * (x.shape[1] - 1))


def magnitude_warp(
    inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator
) -> None:
    """Multiply each window by a smooth curve around 1 (Um et al. 2017)."""
    for x in inputs:
        curves = _smooth_curves(len(chosen), x.shape[1], config, random)
        x[chosen] *= curves[..., None].astype(np.float32)


def window_slice(
    inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator
) -> None:
    """Stretch the newest `slice_share` or less of each window to its full length.

    Le Guennec et al. 2016 slice anywhere; here the slice ends at the decision, without which the sample means nothing.
    """
    share = random.uniform(config.slice_share, 1.0, len(chosen))
    for x in inputs:
        last = x.shape[1] - 1
        x[chosen] = _read_at(x[chosen], last - share[:, None] * np.arange(last, -1, -1))


def noise(inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator) -> None:
    """Add normal noise to every value."""
    for x in inputs:
        x[chosen] += config.noise * random.standard_normal(x[chosen].shape, np.float32)


def mixup(
    inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each sample with another (Zhang et al. 2018, ICLR, mixup): (the others, float64 own shares)."""
    partner = random.integers(len(inputs[0]), size=len(chosen))
    share = random.beta(config.mix_alpha, config.mix_alpha, len(chosen))
    for x in inputs:
        own = share.astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
        x[chosen] = own * x[chosen] + (1.0 - own) * x[partner]
    return partner, share


def cutmix(
    inputs: list[np.ndarray], chosen: np.ndarray, config: AugmentConfig, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Replace a stretch of each window by another sample's (Yun et al. 2019, CutMix): (the others, own shares)."""
    partner = random.integers(len(inputs[0]), size=len(chosen))
    cut = 1.0 - random.beta(config.mix_alpha, config.mix_alpha, len(chosen))
    start = random.random(len(chosen)) * (1.0 - cut)
    others = [x[partner] for x in inputs]
    kept = np.ones(len(chosen))
    for x, other in zip(inputs, others, strict=True):
        at = np.arange(x.shape[1]) / x.shape[1]
        taken = (at >= start[:, None]) & (at < (start + cut)[:, None])
        x[chosen] = np.where(taken[..., None], other, x[chosen])
        kept -= taken.mean(axis=1) / len(inputs)
    return partner, kept


def _mix_targets(y: np.ndarray, weight: np.ndarray, chosen: np.ndarray, partner: np.ndarray, own: np.ndarray) -> None:
    """Targets and weights of mixed samples: each part counts by its share and its own weight, so balance is kept."""
    own = own.astype(np.float32)[:, None]
    first, second = own * weight[chosen], (1.0 - own) * weight[partner]
    total = first + second
    share = np.divide(first, total, out=np.broadcast_to(own, total.shape).copy(), where=total > 0.0)[..., None]
    y[chosen] = share * y[chosen] + (1.0 - share) * y[partner]
    weight[chosen] = total


def _smooth_curves(count: int, length: int, config: AugmentConfig, random: np.random.Generator) -> np.ndarray:
    """float64 [count, length], cubic curves through normal knots around 1."""
    knots = random.normal(1.0, config.warp_strength, (config.warp_knots + 2, count))
    spline = CubicSpline(np.linspace(0.0, length - 1.0, config.warp_knots + 2), knots)
    return spline(np.arange(length)).T


def _read_at(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation of windows [count, length, features] at the times [count, length], in rows from 0."""
    low = np.clip(np.floor(at).astype(np.int64), 0, x.shape[1] - 2)
    part = (at - low)[..., None].astype(np.float32)
    rows = np.arange(len(x))[:, None]
    return (1.0 - part) * x[rows, low] + part * x[rows, low + 1]


_TRANSFORMS: dict[str, Callable[..., None]] = {
    "time_warp": time_warp,
    "magnitude_warp": magnitude_warp,
    "window_slice": window_slice,
    "noise": noise,
}
_MIXING: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {"mixup": mixup, "cutmix": cutmix}
