"""Answering for one new bar: the exported 2,000-layer network alone, and with its features computed from candles.

    python benchmarks/serving.py

Exports the network of configs/ultimate.yaml, its weights and statistics drawn at random so that no operation can be
optimised away, once folded (as a run exports it) and once as it was trained (`keras.Model.export`'s way: the depth
loops and the batch norms kept). Each form is then called with one row in a process of its own, with oneDNN off and on.
Times include handing the row over and reading the probability back. About three minutes on 2 cores.

Writes benchmarks/results/serving.json; exits 1 when a bar is missed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _result import Bar, write_result

ROOT = Path(__file__).resolve().parents[1]
FEATURES = 250
CALLS, WARM_UP = 300, 50
WINDOW_BARS = 420
SETTINGS = {"onednn_off": "0", "onednn_on": "1"}
SEED = 7


def main() -> int:
    """Export, measure every form under every setting, judge, write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        features = json.loads(_child("export", folder, "0")[-1])["features"]
        seconds: dict[str, Any] = {}
        for setting, flag in SETTINGS.items():
            for task in ("folded", "unfolded", "bar"):
                found = json.loads(_child(task, folder, flag)[-1])
                seconds.setdefault(setting, {})[task] = found
                print(
                    f"{setting:<11} {task:<9} p50 {found['p50_ms']:7.2f} ms   p99 {found['p99_ms']:7.2f} ms", flush=True
                )
    best = seconds["onednn_off"]
    folded, unfolded, bar = (best[task] for task in ("folded", "unfolded", "bar"))
    bars = [
        Bar("exported 2,000-layer network, one row, p50", folded["p50_ms"], "<=", 10.0, "ms"),
        Bar("unfolded export's p50 / folded export's", unfolded["p50_ms"] / folded["p50_ms"], ">=", 3.0, "×"),
        Bar("one new bar end to end, p50", bar["p50_ms"], "<=", 30.0, "ms"),
        Bar("one new bar end to end, p99", bar["p99_ms"], "<=", 80.0, "ms"),
        Bar("folded / unfolded export, difference", abs(folded["probability"] - unfolded["probability"]), "<=", 1e-5),
    ]
    return write_result(
        "serving",
        bars,
        setting="TF_ENABLE_ONEDNN_OPTS=0, default threads",
        network=f"configs/ultimate.yaml, random weights and statistics, {FEATURES} features",
        bar=f"all {features} features of one of 6 symbols, from the trailing {WINDOW_BARS} bars, then that network",
        calls=CALLS,
        settings=seconds,
    )


def _child(task: str, folder: Path, onednn: str) -> list[str]:
    """Lines a fresh process prints that does one task under one setting."""
    environment = {
        **os.environ,
        "TF_ENABLE_ONEDNN_OPTS": onednn,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, __file__, task, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{task} failed:\n{done.stderr}")
    return done.stdout.strip().splitlines()


def export(folder: Path) -> None:
    """Write the three SavedModels and the feature names."""
    from deepstack.artifact.export import export_saved_model
    from deepstack.config.features import FeaturesConfig
    from deepstack.features.catalogue import choose

    names = [feature.name for feature in choose(FeaturesConfig(), frozenset({"peers"}))]
    (folder / "names.json").write_text(json.dumps(names))
    for form, features in (("folded", FEATURES), ("bar", len(names))):
        model, decision = _network(features), _decision(features)
        export_saved_model(folder / form, model, decision, {"features": np.zeros((1, features), np.float32)}, "network")
        if form == "folded":
            _export_unfolded(folder / "unfolded", model, decision)
    print(json.dumps({"features": len(names)}))


def _network(features: int) -> Any:
    """The default network; every scale, shift, mean, variance and kernel away from its initial value."""
    import keras

    from deepstack.config.read import read_config
    from deepstack.models import catalogue

    config = read_config(ROOT / "configs" / "ultimate.yaml")
    keras.utils.set_random_seed(SEED)
    model = catalogue.build(config.model.name, {"features": (features,)}, options=config.model.options)
    random = np.random.default_rng(SEED)
    for variable in model.variables:
        name, shape = variable.path, tuple(variable.shape)
        if "variance" in name:
            variable.assign(random.uniform(0.5, 2.0, shape))
        elif "gamma" in name and "norm_2" in name:
            variable.assign(random.normal(0.0, 0.03, shape))
        elif any(part in name for part in ("gamma", "beta", "mean", "bias")):
            variable.assign(variable.numpy() + random.normal(0.0, 0.1, shape))
        elif "kernel" in name and not variable.numpy().any():
            variable.assign(random.normal(0.0, 0.1, shape))
    return model


def _decision(features: int) -> Any:
    """Clipping at ± 8, a mean of 0.1, a scale of 1.5, 40 % won in training, threshold 0.5."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    from deepstack.artifact.export import Decision
    from deepstack.models.heads import binary_head

    ones, standard = np.ones(features, np.float32), StandardScaler()
    standard.mean_, standard.scale_ = 0.1 * ones, 1.5 * ones
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -8 * ones, "a_max": 8 * ones})
    scaler = Pipeline([("clip", clip), ("standardise", standard)])
    return Decision({"features": scaler}, binary_head(), np.array([[0.6, 0.4]]), (0.5,))


def _export_unfolded(folder: Path, model: Any, decision: Any) -> None:
    """The same inputs and outputs with the model as it was trained: variables, loops and batch norms kept."""
    import keras
    import tensorflow as tf

    from deepstack.features.scale import scaler_constants

    low, high, mean, scale = scaler_constants(decision.scalers["features"])

    def serve(features: Any) -> dict[str, Any]:
        raw = model({"features": (tf.clip_by_value(features, low, high) - mean) / scale}, training=False)
        offset = decision.head.prior_offset(decision.priors).astype(np.float32)
        probability = decision.head.probabilities(raw, offset)[:, 0, 1]
        return {"probability": probability, "decision": probability >= decision.thresholds[0]}

    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((None, model.inputs[0].shape[-1]), tf.float32, name="features")
    archive.add_endpoint("serving_default", serve, input_signature=[spec])
    archive.write_out(str(folder), verbose=False)


def row(folder: Path, form: str) -> None:
    """One row of random features, again and again."""
    ask = _client(folder / form)
    rows = np.random.default_rng(SEED).normal(size=(WARM_UP + CALLS, 1, FEATURES)).astype(np.float32)
    times, last = _timed(lambda i: ask(rows[i]))
    print(json.dumps({**times, "probability": last}))


def bar(folder: Path) -> None:
    """A market of six symbols that grows by one bar a call; the answer for one of them, in turn."""
    from deepstack.candles.market import Candles
    from deepstack.candles.synthetic import make_market
    from deepstack.config.data import SyntheticConfig
    from deepstack.features.table import latest_row

    names = json.loads((folder / "names.json").read_text())
    whole = make_market(SyntheticConfig(symbols=6, bars=WINDOW_BARS + WARM_UP + CALLS, interval="1h"), SEED)
    symbols, ask = list(whole), _client(folder / "bar")

    def answer(i: int) -> float:
        window = slice(i, i + WINDOW_BARS)
        market = {name: Candles(name, candles.interval, candles.frame.iloc[window]) for name, candles in whole.items()}
        return ask(latest_row(market, symbols[i % len(symbols)], names)[None])

    times, last = _timed(answer)
    features_only, _ = _timed(lambda i: float(latest_row(whole, symbols[i % len(symbols)], names)[0]))
    print(json.dumps({**times, "features_p50_ms": features_only["p50_ms"], "probability": last}))


def _client(folder: Path) -> Callable[[np.ndarray], float]:
    """Unscaled row, float32 [1, features] → probability, through the SavedModel alone."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]

    def ask(features: np.ndarray) -> float:
        # `loaded` must outlive the call: the signature does not keep its variables alive.
        return float(serve(features=tf.constant(features))["probability"][0]) if loaded else 0.0

    return ask


def _timed(call: Callable[[int], float]) -> tuple[dict[str, float], float]:
    """Milliseconds of the calls after the warm-up, p50 and p99, and the last answer."""
    times, last = [], 0.0
    for i in range(WARM_UP + CALLS):
        started = time.perf_counter()
        last = call(i)
        times.append((time.perf_counter() - started) * 1e3)
    p50, p99 = np.percentile(times[WARM_UP:], [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}, last


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    if sys.argv[1] == "export":
        export(Path(sys.argv[2]))
    elif sys.argv[1] == "bar":
        bar(Path(sys.argv[2]))
    else:
        row(Path(sys.argv[2]), sys.argv[1])
