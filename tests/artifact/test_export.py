"""The exported graph is the trained network, its scaler and its threshold, and nothing a server could trip over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from deepstack.artifact import export
from deepstack.artifact.export import Decision, export_saved_model
from deepstack.calibration import Calibration
from deepstack.features.scale import fit_scaler
from deepstack.labels.weights import correct_priors
from deepstack.models.heads import Head, binary_head

PRIORS = np.array([[0.65, 0.35]])
UNWANTED = ("Random", "StatelessRng", "FusedBatchNorm", "While", "Xla", "Bernoulli", "Multinomial")

over_networks = pytest.mark.parametrize("network", ["ultimate", "sequential", "no_rule"])


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, networks: Mapping[str, Any], features: np.ndarray, scaler: Any
) -> dict[tuple[str, str], Path]:
    """(network, how its weights are held) → SavedModel."""
    folders = {}
    for kind, limit in (("constants", export.CONSTANT_LIMIT_BYTES), ("variables", 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(export, "CONSTANT_LIMIT_BYTES", limit)
            for name, model in networks.items():
                folder = tmp_path_factory.mktemp(f"{name}_{kind}") / "serving" / name / "1"
                threshold = float(np.median(expected(model, features, scaler)))
                decision = Decision({"features": scaler}, binary_head(), PRIORS, (threshold,))
                export_saved_model(folder, model, decision, {"features": features}, name)
                folders[name, kind] = folder
    return folders


def expected(model: Any, features: np.ndarray, scaler: Any) -> np.ndarray:
    """The probability by Keras, scikit-learn and the prior correction, float64."""
    scaled = scaler.transform(features).astype(np.float32)
    logit = model({"features": scaled}, training=False).numpy().astype(np.float64).reshape(-1)
    won = 1.0 / (1.0 + np.exp(-logit))
    return correct_priors(np.column_stack([1.0 - won, won]), PRIORS[0])[:, 1]


def serve(folder: Path, features: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    loaded = tf.saved_model.load(str(folder))
    inputs = {name: tf.constant(values) for name, values in {"features": features, **more}.items()}
    return {k: v.numpy() for k, v in loaded.signatures["serving_default"](**inputs).items()}


def nodes(folder: Path) -> list[Any]:
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


@over_networks
@pytest.mark.parametrize("kind", ["constants", "variables"])
def test_unscaled_features_give_the_probability_of_the_trained_network(
    exported: Any, networks: Any, features: np.ndarray, scaler: Any, network: str, kind: str
) -> None:
    found = serve(exported[network, kind], features)
    wanted = expected(networks[network], features, scaler)
    assert wanted.std() > 0.05  # or agreement would say little
    np.testing.assert_allclose(found["probability"], wanted, atol=1e-5)
    assert found["probability"].dtype == np.float32
    assert found["probability"].shape == (len(features),)
    np.testing.assert_array_equal(found["decision"], wanted >= np.median(wanted))


@over_networks
@pytest.mark.parametrize("kind", ["constants", "variables"])
def test_the_graph_holds_nothing_a_plain_server_lacks(exported: Any, network: str, kind: str) -> None:
    found = nodes(exported[network, kind])
    assert not [n.op for n in found if any(word in n.op for word in UNWANTED)]
    assert not [n.name for n in found if n.attr["_XlaMustCompile"].b]
    variables = [n for n in found if n.op == "VarHandleOp" and "save_counter" not in n.name]
    assert bool(variables) == (kind == "variables")


def test_batch_norm_is_folded_into_one_product_and_one_sum(exported: Any) -> None:
    ops = [node.op for node in nodes(exported["sequential", "constants"])]
    assert "Rsqrt" not in ops
    # Stem, four pairs, last dense, logit: twelve counted layers, of the network and of its subnetworks.
    assert ops.count("MatMul") == 2 * 7


def test_only_weights_in_use_are_stored(exported: Any, networks: Any) -> None:
    stored = sum(file.stat().st_size for file in (exported["ultimate", "variables"] / "variables").iterdir())
    assert stored < 4 * networks["ultimate"].count_params() * 1.2 + 20_000


@over_networks
def test_a_missing_value_is_never_a_trade(exported: Any, features: np.ndarray, network: str) -> None:
    broken = features[:4].copy()
    broken[0, 0], broken[1, -1] = np.nan, np.inf
    found = serve(exported[network, "constants"], broken)
    assert np.isnan(found["probability"][:2]).all()
    assert not found["decision"][:2].any()
    assert np.isfinite(found["probability"][2:]).all()


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_any_number_of_rows(exported: Any, features: np.ndarray, rows: int) -> None:
    folder = exported["ultimate", "constants"]
    np.testing.assert_allclose(
        serve(folder, features[:rows])["probability"], serve(folder, features)["probability"][:rows], atol=1e-6
    )


@pytest.mark.parametrize(
    ("priors", "offset"),
    [(None, [[0.0]]), ([[0.5, 0.5]], [[0.0]]), ([[0.8, 0.2]], [[np.log(0.25)]])],
    ids=str,
)
def test_an_unbalanced_training_leaves_the_logit_alone(priors: Any, offset: list[list[float]]) -> None:
    np.testing.assert_allclose(binary_head().prior_offset(priors), offset, atol=1e-12)


MOVES = Head("horizons", ("5min", "1h"), 3, aleatoric=True)
MOVE_PRIORS = np.array([[0.25, 0.4, 0.35], [0.3, 0.45, 0.25]])
MOVE_THRESHOLDS = (0.1, 0.4)
BARS = 5


@pytest.fixture(scope="module")
def windows(features: np.ndarray) -> dict[str, np.ndarray]:
    """Of two timeframes, and the time of the decision, which is not to be scaled."""
    random = np.random.default_rng(4)
    shown = {name: features[random.integers(len(features), size=(50, BARS))] for name in ("features", "features_1h")}
    return {**shown, "decision_s": random.integers(10**8, size=(50, 1)).astype(np.int32)}


@pytest.fixture(scope="module")
def mover(windows: dict[str, np.ndarray]) -> keras.Model:
    """A network of three inputs and two horizons."""
    inputs = {name: keras.Input(v.shape[1:], dtype=v.dtype.name, name=name) for name, v in windows.items()}
    *shown, when = inputs.values()
    pooled = [keras.layers.GlobalAveragePooling1D()(x) for x in shown]
    late = keras.layers.Rescaling(1e-8)(when)
    trunk = keras.layers.Dense(8, activation="tanh")(keras.layers.Concatenate()([*pooled, late]))
    model = keras.Model(inputs, MOVES.outputs(trunk))
    random = np.random.default_rng(5)
    model.set_weights([random.normal(scale=0.8, size=w.shape).astype(np.float32) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def moves_served(
    tmp_path_factory: pytest.TempPathFactory, mover: keras.Model, windows: dict[str, np.ndarray], scalers: Any
) -> Path:
    folder = tmp_path_factory.mktemp("moves") / "1"
    decision = Decision(scalers, MOVES, MOVE_PRIORS, MOVE_THRESHOLDS)
    joined = next(layer.name for layer in mover.layers if isinstance(layer, keras.layers.Concatenate))
    export_saved_model(folder, mover, decision, windows, "moves", {"joined": joined})
    return folder


@pytest.fixture(scope="module")
def scalers(features: np.ndarray, scaler: Any) -> dict[str, Any]:
    """One an input: the coarser timeframe has a scale of its own."""
    return {"features": scaler, "features_1h": fit_scaler(features * 3.0 + 1.0)}


def test_moves_are_answered_by_horizon_from_every_input(
    moves_served: Path, mover: keras.Model, windows: dict[str, np.ndarray], scalers: dict[str, Any]
) -> None:
    found = serve(moves_served, **windows)
    flat = {name: windows[name].reshape(-1, windows[name].shape[-1]) for name in scalers}
    scaled = {name: scalers[name].transform(flat[name]).reshape(windows[name].shape) for name in scalers}
    raw = mover({**scaled, "decision_s": windows["decision_s"]}, training=False).numpy().astype(np.float64)
    logits, variance = raw[..., :3], np.exp(raw[..., 3])
    balanced = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    wanted = correct_priors(balanced, MOVE_PRIORS)
    assert wanted.std(axis=0).min() > 0.01  # or agreement would say little
    np.testing.assert_allclose(found["probability"], wanted, atol=1e-5)
    np.testing.assert_allclose(found["confidence"], wanted.max(axis=-1), atol=1e-5)
    np.testing.assert_allclose(found["aleatoric"], variance, rtol=1e-4)
    np.testing.assert_array_equal(found["prediction"], wanted.argmax(axis=-1))
    joined = next(layer for layer in mover.layers if isinstance(layer, keras.layers.Concatenate))
    shown = keras.Model(mover.input, joined.output)({**scaled, "decision_s": windows["decision_s"]})
    np.testing.assert_allclose(found.pop("joined"), shown, atol=1e-5)
    lean = wanted[..., 2] - wanted[..., 0]
    decided = np.where(np.abs(lean) >= MOVE_THRESHOLDS, np.sign(lean), 0.0)
    assert set(decided.ravel()) == {-1.0, 0.0, 1.0}
    np.testing.assert_array_equal(found["decision"], decided)
    shapes = {name: (values.shape, values.dtype) for name, values in found.items()}
    each = (50, 2)
    assert shapes == {
        "probability": ((50, 2, 3), np.float32),
        "confidence": (each, np.float32),
        "aleatoric": (each, np.float32),
        "prediction": (each, np.int32),
        "decision": (each, np.int32),
    }


STEPS = (0.1, 0.3, 0.31, 0.6), (0.05, 0.2, 0.5, 0.9)
CALIBRATIONS = {
    "temperature": Calibration(slope=0.6),
    "platt": Calibration(slope=1.7, offset=(0.0, 0.4, -0.3)),
    "isotonic": Calibration(knots=(STEPS, STEPS, ((0.2,), (0.4,)))),
}


@pytest.mark.parametrize(("first", "second"), [("temperature", "isotonic"), ("isotonic", "platt")])
def test_probabilities_are_calibrated_as_in_python(
    mover: keras.Model, windows: Any, scalers: Any, moves_served: Path, tmp_path: Path, first: str, second: str
) -> None:
    calibrations = CALIBRATIONS[first], CALIBRATIONS[second]
    decision = Decision(scalers, MOVES, MOVE_PRIORS, MOVE_THRESHOLDS, calibrations)
    export_saved_model(tmp_path / "1", mover, decision, windows, "moves")
    plain, found = serve(moves_served, **windows)["probability"], serve(tmp_path / "1", **windows)
    wanted = np.stack([one(plain[:, k].astype(np.float64)) for k, one in enumerate(calibrations)], axis=1)
    assert np.abs(wanted - plain).mean() > 0.02
    np.testing.assert_allclose(found["probability"], wanted, atol=1e-5)
    lean = found["probability"][..., 2] - found["probability"][..., 0]
    np.testing.assert_array_equal(found["decision"], np.where(np.abs(lean) >= MOVE_THRESHOLDS, np.sign(lean), 0.0))


@pytest.mark.parametrize(
    "calibration", [Calibration(slope=0.5, offset=(0.0, 0.3)), Calibration(knots=(STEPS,))], ids=["platt", "isotonic"]
)
def test_a_winning_probability_is_calibrated_as_in_python(
    networks: Mapping[str, Any], scaler: Any, features: np.ndarray, tmp_path: Path, calibration: Calibration
) -> None:
    model = networks["sequential"]
    for number, calibrations in enumerate([(), (calibration,)], 1):
        decision = Decision({"features": scaler}, binary_head(), PRIORS, (0.4,), calibrations)
        export_saved_model(tmp_path / str(number), model, decision, {"features": features}, "sequential")
    plain, found = (serve(tmp_path / number, features)["probability"].astype(np.float64) for number in ("1", "2"))
    wanted = calibration(np.stack([1.0 - plain, plain], axis=1))[:, 1]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["features", "features_1h"])
def test_a_missing_value_anywhere_in_a_window_is_never_a_move(
    moves_served: Path, windows: dict[str, np.ndarray], name: str
) -> None:
    broken = {key: values[:3].copy() for key, values in windows.items()}
    broken[name][0, 0, 3], broken[name][1, -1, 0] = np.nan, -np.inf
    found = serve(moves_served, **broken)
    assert np.isnan(found["probability"][:2]).all()
    assert np.isnan(found["confidence"][:2]).all()
    assert not found["decision"][:2].any()
    assert np.isfinite(found["probability"][2:]).all()
