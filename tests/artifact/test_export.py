"""The exported graph is the trained network, its scaler and its threshold, and nothing a server could trip over."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from deepstack.artifact import export
from deepstack.artifact.export import Decision, export_saved_model
from deepstack.features.scale import scaler_constants
from deepstack.labels.weights import correct_prior

PRIOR = 0.35
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
                decision = Decision(*scaler_constants(scaler), PRIOR, threshold)
                export_saved_model(folder, model, decision, features, name)
                folders[name, kind] = folder
    return folders


def expected(model: Any, features: np.ndarray, scaler: Any) -> np.ndarray:
    """The probability by Keras, scikit-learn and the prior correction, float64."""
    scaled = scaler.transform(features).astype(np.float32)
    logit = model({"features": scaled}, training=False).numpy().astype(np.float64).reshape(-1)
    return correct_prior(1.0 / (1.0 + np.exp(-logit)), PRIOR)


def serve(folder: Path, features: np.ndarray) -> dict[str, np.ndarray]:
    loaded = tf.saved_model.load(str(folder))
    return {k: v.numpy() for k, v in loaded.signatures["serving_default"](features=tf.constant(features)).items()}


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
    assert ops.count("MatMul") == 7  # stem, four pairs, last dense, logit: twelve counted layers


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


def test_an_unbalanced_training_leaves_the_logit_alone() -> None:
    bounds = (np.zeros(1, np.float32),) * 4
    assert Decision(*bounds, None, 0.5).offset == 0.0
    assert Decision(*bounds, 0.5, 0.5).offset == 0.0
    assert Decision(*bounds, 0.2, 0.5).offset == pytest.approx(np.log(0.25))


def test_the_c_library_runs_it_without_keras(
    exported: Any,
    features: np.ndarray,
    run_by_c_library: Callable[[Mapping[Path, np.ndarray]], list[dict[str, np.ndarray]]],
) -> None:
    results = run_by_c_library(dict.fromkeys(exported.values(), features))
    for folder, found in zip(exported.values(), results, strict=True):
        wanted = serve(folder, features)
        np.testing.assert_allclose(found["probability"], wanted["probability"], atol=1e-6)
        np.testing.assert_array_equal(found["decision"], wanted["decision"])


def test_warm_up_requests_hold_real_rows(exported: Any, features: np.ndarray) -> None:
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    file = exported["ultimate", "constants"] / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    requests = [log.predict_log.request for log in logs]
    assert [request.model_spec.name for request in requests] == ["ultimate"] * 2
    assert {request.model_spec.signature_name for request in requests} == {"serving_default"}
    sent = [tf.make_ndarray(request.inputs["features"]) for request in requests]
    assert [len(rows) for rows in sent] == [1, 32]
    for rows in sent:
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, features[: len(rows)])
