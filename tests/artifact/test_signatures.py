"""Every signature of a servable asks the same network; classify and regress keep TensorFlow Serving's rules."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

from deepstack.artifact import export
from deepstack.artifact.candle_channels import CHANNELS
from deepstack.artifact.decision import Decision
from deepstack.artifact.export import export_saved_model
from deepstack.artifact.feature_list import signature_for
from deepstack.artifact.warmup import example_of
from deepstack.features.bars import Bars
from deepstack.features.candle import CHANNELS as FEATURES
from deepstack.features.scale import fit_scaler
from deepstack.models import catalogue
from deepstack.models.heads import Head, binary_head

PRIORS = np.array([[0.65, 0.35]])
MOVES = Head("horizons", ("5min", "1h"), 3)
NAMES = ("close", "body", "upper_shadow", "lower_shadow", "volume")
BARS, COLUMNS = 6, 5


def ask(folder: Path, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    loaded = tf.saved_model.load(str(folder))
    found = loaded.signatures[signature](**{name: tf.constant(values) for name, values in inputs.items()})
    return {name: values.numpy() for name, values in found.items()}


def graph_of(folder: Path) -> Any:
    return saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0]


def serialized(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """[samples] of tf.Examples, numpy byte strings; their ends are no zeros, which numpy would cut."""
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    return np.array([example_of(row).SerializeToString() for row in rows])


@pytest.fixture(scope="module", params=["constants", "variables"])
def won(
    request: Any, tmp_path_factory: pytest.TempPathFactory, networks: Any, features: np.ndarray, scaler: Any
) -> Path:
    """The deep network, a probability of winning."""
    folder = tmp_path_factory.mktemp("won") / "1"
    decision = Decision({"features": scaler}, binary_head(), PRIORS, (0.4,))
    names = tuple(f"f{i}" for i in range(features.shape[1]))
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "variables":
            patch.setattr(export, "CONSTANT_LIMIT_BYTES", 0)
        export_saved_model(folder, networks["ultimate"], decision, {"features": features}, "won", features=names)
    return folder


@pytest.fixture(scope="module")
def candles() -> np.ndarray:
    """float32 [samples, bars, open high low close volume]."""
    random = np.random.default_rng(3)
    opened, closed = random.uniform(90, 110, (2, 40, BARS))
    high, low = np.maximum(opened, closed) + random.exponential(2, opened.shape), np.minimum(opened, closed) - 1.5
    return np.stack([opened, high, low, closed, random.exponential(50, opened.shape)], axis=-1).astype(np.float32)


def channels(candles: np.ndarray) -> np.ndarray:
    """The features `NAMES` of candles, as training computes them."""
    rows = candles.reshape(-1, COLUMNS).astype(np.float64)
    bars = Bars(*rows.T, close_ms=np.arange(len(rows)), interval_ms=60_000)
    by_name = {feature.name: feature.compute(bars) for feature in FEATURES}
    return np.stack([by_name[name] for name in NAMES], axis=-1).reshape(candles.shape).astype(np.float32)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, candles: np.ndarray) -> Path:
    """A network of a window of candle channels; three classes, two horizons."""
    folder = tmp_path_factory.mktemp("moved") / "1"
    windows = channels(candles)
    inputs = {"features": keras.Input(windows.shape[1:], name="features")}
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(inputs["features"]))
    model = keras.Model(inputs, MOVES.outputs(keras.layers.Dense(8, activation="tanh")(x)))
    scaler = fit_scaler(windows.reshape(-1, COLUMNS))
    decision = Decision({"features": scaler}, MOVES, None, (0.1, 0.2))
    export_saved_model(folder, model, decision, {"features": windows}, "moved", features=NAMES)
    return folder


def test_scaled_features_skip_the_scaler_and_nothing_else(won: Path, features: np.ndarray, scaler: Any) -> None:
    wanted = ask(won, "serving_default", features=features)
    found = ask(won, "predict_scaled", features=scaler.transform(features).astype(np.float32))
    assert wanted["probability"].std() > 0.05
    assert set(found) == set(wanted)
    np.testing.assert_allclose(found["probability"], wanted["probability"], atol=1e-5)
    broken = np.full_like(features[:1], np.inf)
    assert np.isnan(ask(won, "predict_scaled", features=broken)["probability"]).all()


def test_examples_are_classified_and_regressed_by_the_probability_of_winning(won: Path, features: np.ndarray) -> None:
    probability = ask(won, "serving_default", features=features)["probability"]
    inputs = serialized({"features": features})
    classified, regressed = ask(won, "classify", inputs=inputs), ask(won, "regress", inputs=inputs)
    assert set(map(tuple, classified["classes"])) == {(b"loss", b"win")}
    np.testing.assert_allclose(classified["scores"], np.stack([1 - probability, probability], axis=1), atol=1e-6)
    np.testing.assert_allclose(regressed["outputs"], probability, atol=1e-6)


def test_examples_are_answered_for_the_first_of_several_horizons(moved: Path, candles: np.ndarray) -> None:
    windows = channels(candles)
    probability = ask(moved, "serving_default", features=windows)["probability"]
    assert np.abs(probability[:, 0] - probability[:, 1]).max() > 0.1
    inputs = serialized({"features": windows})
    classified, regressed = ask(moved, "classify", inputs=inputs), ask(moved, "regress", inputs=inputs)
    assert set(map(tuple, classified["classes"])) == {(b"sell", b"hold", b"buy")}
    np.testing.assert_allclose(classified["scores"], probability[:, 0], atol=1e-6)
    np.testing.assert_allclose(regressed["outputs"], probability[:, 0, 2] - probability[:, 0, 0], atol=1e-6)


def test_an_example_without_a_feature_is_refused_by_its_name(won: Path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="features"):
        ask(won, "classify", inputs=np.array([tf.train.Example().SerializeToString()]))


def feature_list(folder: Path) -> str:
    """The other name of serving_default."""
    return signature_for((folder / "assets.extra" / "features.txt").read_text().split())


def test_classify_and_regress_are_what_tensorflow_serving_accepts(won: Path) -> None:
    """The checks of its classifier.cc and regressor.cc."""
    signatures = graph_of(won).signature_def
    for name, outputs in (("classify", {"classes": 2, "scores": 2}), ("regress", {"outputs": 1})):
        signature = signatures[name]
        assert signature.method_name == f"tensorflow/serving/{name}"
        assert {key: tensor.dtype for key, tensor in signature.inputs.items()} == {"inputs": tf.string.as_datatype_enum}
        assert {key: len(tensor.tensor_shape.dim) for key, tensor in signature.outputs.items()} == outputs
    assert signatures["classify"].outputs["classes"].dtype == tf.string.as_datatype_enum
    predicting = {name for name, each in signatures.items() if each.method_name == "tensorflow/serving/predict"}
    assert predicting == {"serving_default", "predict_scaled", "predict_uncertainty", feature_list(won)}


def test_the_fingerprint_is_that_of_the_rewritten_file(won: Path, tmp_path: Path) -> None:
    (tmp_path / "fingerprint.pb").write_bytes(fingerprinting.CreateFingerprintDef(str(won)))
    written, anew = (tf.saved_model.experimental.read_fingerprint(str(folder)) for folder in (won, tmp_path))
    assert written.saved_model_checksum == anew.saved_model_checksum
    assert written.signature_def_hash == anew.signature_def_hash


def test_candles_are_answered_as_their_features_are(moved: Path, candles: np.ndarray) -> None:
    wanted = ask(moved, "serving_default", features=channels(candles))
    found = ask(moved, "predict_candles", candles=candles)
    assert wanted["probability"].std() > 0.05
    assert set(found) == set(wanted)
    # In float32 a body of a price near 100 has lost two digits.
    np.testing.assert_allclose(found["probability"], wanted["probability"], atol=1e-4)


def test_every_channel_of_the_candle_is_computed_in_the_graph(candles: np.ndarray) -> None:
    assert set(CHANNELS) == {feature.name for feature in FEATURES}
    bar = dict(zip(("open", "high", "low", "close", "volume"), np.moveaxis(candles, -1, 0), strict=True))
    rows = candles.reshape(-1, COLUMNS).astype(np.float64)
    bars = Bars(*rows.T, close_ms=np.arange(len(rows)), interval_ms=60_000)
    for feature in FEATURES:
        found = np.asarray(CHANNELS[feature.name](bar)).reshape(-1)
        np.testing.assert_allclose(found, feature.compute(bars), atol=2e-5)


def test_features_that_need_more_than_their_bar_have_no_candle_signature(won: Path, moved: Path) -> None:
    assert "predict_candles" not in graph_of(won).signature_def
    assert "predict_candles" in graph_of(moved).signature_def


def test_a_network_that_scales_windows_itself_answers_candles(tmp_path: Path, candles: np.ndarray) -> None:
    shapes = {"features": (BARS, COLUMNS)}
    model = catalogue.build("gaf_resnet18", shapes, binary_head(), small_models.SMALL["gaf_resnet18"])
    decision = Decision({}, binary_head(), None, (0.5,))
    export_saved_model(tmp_path, model, decision, {"features": channels(candles)}, "gaf", features=NAMES)
    found = ask(tmp_path, "predict_candles", candles=candles)["probability"]
    wanted = tf.sigmoid(model({"features": channels(candles)}, training=False)[:, 0])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_weights_are_written_once(won: Path) -> None:
    graph = graph_of(won).graph_def
    every = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    large = [
        node.attr["value"].tensor.SerializeToString(deterministic=True)
        for node in every
        if node.op == "Const" and tf.make_ndarray(node.attr["value"].tensor).size > 128
    ]
    assert len(large) == len(set(large))


def test_a_servable_tells_its_features_scaler_and_thresholds(won: Path, moved: Path, features: np.ndarray) -> None:
    folder = won / "assets.extra"
    assert (folder / "features.txt").read_text().split() == [f"f{i}" for i in range(features.shape[1])]
    scaler = json.loads((folder / "scaler.json").read_text())["features"]
    low, high, mean, scale = (np.array(scaler[name], np.float32) for name in ("low", "high", "mean", "scale"))
    scaled = (np.clip(features, low, high) - mean) / scale
    wanted = ask(won, "serving_default", features=features)["probability"]
    np.testing.assert_allclose(ask(won, "predict_scaled", features=scaled)["probability"], wanted, atol=1e-6)
    settled = json.loads((folder / "thresholds.json").read_text())
    assert (settled["thresholds"], settled["priors"], settled["classes"]) == ([0.4], PRIORS.tolist(), ["loss", "win"])
    settled = json.loads((moved / "assets.extra" / "thresholds.json").read_text())
    assert settled["outputs"] == ["5min", "1h"]
    assert settled["classes"] == ["sell", "hold", "buy"]


def test_the_c_library_answers_every_signature_without_keras(
    won: Path, moved: Path, features: np.ndarray, candles: np.ndarray, run_by_c_library: Callable[..., Any]
) -> None:
    windows = channels(candles)
    asked: dict[Path, dict[str, dict[str, np.ndarray]]] = {}
    for folder, rows in ((won, features), (moved, windows)):
        named = {"features": rows}
        names = ("serving_default", "predict_scaled", "predict_uncertainty", feature_list(folder))
        asked[folder] = dict.fromkeys(names, named)
        asked[folder] |= {signature: {"inputs": serialized(named)} for signature in ("classify", "regress")}
    asked[moved]["predict_candles"] = {"candles": candles}
    for folder, results in zip(asked, run_by_c_library(asked), strict=True):
        assert set(asked[folder]) == set(graph_of(folder).signature_def) - {"__saved_model_init_op"}
        for signature, found in results.items():
            wanted = ask(folder, signature, **asked[folder][signature])
            assert set(found) == set(wanted)
            for name, values in wanted.items():
                if values.dtype.kind == "f":
                    np.testing.assert_allclose(found[name], values, atol=1e-6, err_msg=f"{signature} {name}")
                else:
                    np.testing.assert_array_equal(found[name], values.astype(found[name].dtype))
