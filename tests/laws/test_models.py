"""The laws of models, over the whole catalogue; each head and each loss once on one small model."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import BARS, FEATURES, SMALL, WITH_DROPOUT, build, fill_memory, inputs_of, shapes, targets_of

from deepstack.config.training import TrainingConfig
from deepstack.models import catalogue
from deepstack.models.catalogue import MODELS
from deepstack.models.heads import Head, binary_head
from deepstack.training.losses import make_loss
from deepstack.training.precision import dtype_policy
from deepstack.training.prepare import Prepared, prepare

ROOT = Path(__file__).resolve().parents[2]
ROWS = 64
HEADS = {
    "binary": binary_head(),
    "binary aleatoric": binary_head(aleatoric=True),
    "classes": Head("classes", ("15min",), 3),
    "horizons": Head("horizons", ("5min", "15min", "60min"), 3),
    "horizons aleatoric": Head("horizons", ("5min", "15min", "60min"), 3, True),
}

over_models = pytest.mark.parametrize("name", MODELS)


def batch(name: str, head: Head | None = None) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
    """One step's batch, [1, rows, …]."""
    inputs = inputs_of(name, ROWS)
    y = targets_of(inputs, head)
    x = {key: tf.constant(values[None]) for key, values in inputs.items()}
    return x, tf.constant(y[None]), tf.ones((1, *y.shape[:2]))


def ready(
    name: str,
    precision: str = "float32",
    options: dict[str, dict[str, Any]] = SMALL,
    head: Head | None = None,
    compiled: bool = False,
    **training: Any,
) -> Prepared:
    config = TrainingConfig(batch_size=ROWS, optimizer="sgd", learning_rate=0.005, jit_compile=compiled, **training)
    keras.utils.set_random_seed(3)
    head = head or binary_head()
    with dtype_policy(precision):
        strategy, make = tf.distribute.get_strategy(), partial(build, name, options, head)
        return prepare(make, config, make_loss(head, config), strategy, precision, ROWS, 3, None, False)


def losses_of(run: Prepared, data: tuple, steps: int) -> list[float]:
    return [float(run.train_step(data).numpy()[2]) for _ in range(steps)]


def test_every_model_has_a_small_size_here() -> None:
    assert set(SMALL) == set(MODELS)


@over_models
def test_it_gives_one_float32_logit_a_row(name: str) -> None:
    model = build(name, WITH_DROPOUT)
    assert model.output_shape == (None, 1)
    assert {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs} == shapes(name)
    logit = model(inputs_of(name, 5))
    assert (tuple(logit.shape), logit.dtype) == ((5, 1), tf.float32)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)


@over_models
def test_steps_lower_the_loss_of_a_fixed_batch(name: str) -> None:
    first, second, third, *later = losses_of(ready(name), batch(name), 6)
    assert first > second > third  # momentum may overshoot later
    assert later[-1] < first


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.xla])
def test_a_step_is_the_same_with_xla_and_without(name: str) -> None:
    after = []
    for compiled in (False, True):
        run = ready(name, compiled=compiled)
        totals = run.train_step(batch(name)).numpy()
        after.append([totals, *(weight.numpy() for weight in run.model.weights)])
    for plain, fused in zip(*after, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)


def test_each_horizon_has_attention_of_its_own() -> None:
    head = HEADS["horizons"]
    model = build("multi_head_horizon", head=head)
    inputs = inputs_of("multi_head_horizon", 6)
    assert model.output_shape == (None, 3, 3)
    x = {key: tf.constant(values) for key, values in inputs.items()}
    question = model.get_layer("horizons").question
    for k in range(3):
        with tf.GradientTape() as tape:
            answer = tf.reduce_sum(model(x)[:, k])
        moved = np.abs(tape.gradient(answer, question.value).numpy()).max(axis=(1, 2)) > 0.0
        assert moved.tolist() == [number == k for number in range(3)]
    objectives = losses_of(ready("multi_head_horizon", head=head), batch("multi_head_horizon", head), 6)
    assert objectives[-1] < objectives[0]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "trading"])
def test_every_head_learns_by_every_loss(head: str, loss: str) -> None:
    run = ready("cnn1d", head=HEADS[head], loss=loss, label_smoothing=0.1)
    objectives = losses_of(run, batch("cnn1d", HEADS[head]), 12)
    assert objectives[-1] < objectives[0]
    wide = HEADS[head].logits + HEADS[head].aleatoric
    assert run.model.output_shape[1:] == ((3, wide) if HEADS[head].kind == "horizons" else (wide,))


@over_models
def test_every_weight_has_a_finite_gradient(name: str) -> None:
    model = build(name, WITH_DROPOUT)
    if MODELS[name].when:
        fill_memory(model)
    x, y, _ = batch(name)
    with tf.GradientTape() as tape:
        outputs = model({key: values[0] for key, values in x.items()}, training=True)
        loss = tf.reduce_mean(make_loss(binary_head(), TrainingConfig())(y[0], outputs))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient)
        assert np.isfinite(gradient.numpy()).all(), weight.path
        assert tuple(gradient.shape) == tuple(weight.shape), weight.path


@over_models
def test_a_seed_fixes_the_weights(name: str) -> None:
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(build(name, WITH_DROPOUT).get_weights())
    assert all(np.array_equal(one, two) for one, two in zip(weights[0], weights[1], strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(weights[0], weights[2], strict=True))


PRECISIONS = [(name, "mixed_float16") for name in MODELS]
PRECISIONS += [(name, "mixed_bfloat16") for name in ("ultimate", "transformer")]


@pytest.mark.parametrize(("name", "precision"), PRECISIONS)
def test_it_steps_in_mixed_precision(name: str, precision: str) -> None:
    run = ready(name, precision, WITH_DROPOUT)
    before = [weight.numpy() for weight in run.model.trainable_weights]
    assert np.isfinite(losses_of(run, batch(name), 3)).all()
    assert {weight.dtype for weight in run.model.trainable_weights} == {"float32"}
    after = run.model.trainable_weights
    assert any(not np.array_equal(old, new.numpy()) for old, new in zip(before, after, strict=True))
    assert run.model(inputs_of(name, 2)).dtype == tf.float32


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.causal])
def test_what_claims_causality_has_a_zero_jacobian_beyond_each_step(name: str) -> None:
    model = build(name)
    sequence = keras.Model(model.input, model.get_layer(MODELS[name].causal).output)
    x = {key: tf.constant(values) for key, values in inputs_of(name, 2).items()}
    for step in (0, BARS // 2, BARS - 2):
        with tf.GradientTape() as tape:
            tape.watch(x["features"])
            seen = tf.reduce_sum(sequence(x, training=False)[:, step] ** 2)
        gradient = tape.gradient(seen, x["features"]).numpy()
        assert (gradient[:, step + 1 :] == 0.0).all()
        assert (np.abs(gradient[:, : step + 1]).max(axis=(0, 2)) > 0.0)[-1]


BOUNDED = {"transformer_decoder": {"spans": [4]}}
"""Options under which a model that may see all of the window does not."""


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.receptive_field and entry.causal])
def test_a_receptive_field_is_what_the_jacobian_shows(name: str) -> None:
    entry, bars = MODELS[name], 64
    options = SMALL[name] | BOUNDED.get(name, {})
    model = catalogue.build(name, {"features": (bars, FEATURES)}, binary_head(), options)
    x = tf.constant(np.random.default_rng(0).normal(size=(4, bars, FEATURES)).astype(np.float32))
    sequence = keras.Model(model.input, model.get_layer(entry.causal).output)
    with tf.GradientTape() as tape:
        tape.watch(x)
        seen = tf.reduce_sum(sequence({"features": x}, training=False)[:, -1] ** 2)
    reached = np.abs(tape.gradient(seen, x).numpy()).max(axis=(0, 2)) > 0.0
    field = entry.receptive_field(catalogue.read_options(entry.config, options))
    assert field < bars
    assert bars - int(np.argmax(reached)) == field


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.explains])
def test_what_explains_a_model_can_be_read(name: str) -> None:
    model = build(name)
    for key, layer in MODELS[name].explains.items():
        values = keras.Model(model.input, model.get_layer(layer).output)(inputs_of(name, 3)).numpy()
        assert values.shape[0] == 3
        if key in ("attention", "gate", "timeframes"):
            np.testing.assert_allclose(values.sum(axis=1), 1.0, atol=1e-5)
            assert (values >= 0.0).all()


def test_two_devices_share_a_step() -> None:
    command = [sys.executable, str(ROOT / "tests/laws/run_mirrored.py")]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/laws'}", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(told) == set(MODELS)
    for line in told.values():
        assert line["replicas"] == 2
        assert line["equal"], line["name"]
        assert np.isfinite(line["objectives"]).all()
