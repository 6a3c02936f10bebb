"""What the session.config that `deepstack deploy` ships does to an answer's time: one thread's executor / TensorFlow's.

    python benchmarks/executor.py [CONFIG…]

Exports networks of shipped configs with random weights and 60 features, loads each twice as servers do, under
TensorFlow's own settings and under session.config, and asks both in turns for one row and for 32. Bar: half of the
networks or more answer one row sooner. Batches through networks of several wide branches, as those of an ensemble, gain
nothing: there the default executor works on the branches at the same time. About a minute on 2 cores.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from _result import Bar, write_result
from serving import ROOT, _decision, _network

FEATURES = 60
ROWS = (1, 32)
TURNS, CALLS = 12, 10
CONFIGS = ("lstm", "transformer", "ultimate", "ensemble")


def main(configs: tuple[str, ...]) -> int:
    """Measure every config, judge, write."""
    found = {}
    for config in configs:
        with tempfile.TemporaryDirectory() as folder:
            _export(config, Path(folder) / "1")
            found[config] = _measured(Path(folder) / "1")
        print(config, found[config], flush=True)
    one = [each["1"]["ratio"] for each in found.values()]
    bar = Bar(
        "one row, session.config / TensorFlow's executor, median of networks", float(np.median(one)), "<=", 1.0, "×"
    )
    return write_result("executor", [bar], networks=found, setting="TF_ENABLE_ONEDNN_OPTS=0", features=FEATURES)


def _export(config_name: str, folder: Path) -> None:
    from deepstack.artifact.export import Decision, export_saved_model
    from deepstack.config.read import read_config
    from deepstack.models import catalogue
    from deepstack.models.inputs import WHEN, input_shapes

    config = read_config(ROOT / "configs" / f"{config_name}.yaml")
    line = catalogue.line_of(config.model)
    samples = config.samples
    shapes = input_shapes(line.sees, FEATURES, samples.window_bars, samples.timeframes, when=line.when)
    model = catalogue.build(config.model.name, shapes, options=config.model.options)
    if config_name == "ultimate":
        model = _network(FEATURES)
    plain = _decision(FEATURES)
    scalers = dict.fromkeys([name for name in shapes if name != WHEN], plain.scalers["features"])
    decision = Decision(scalers, plain.head, plain.priors, plain.thresholds)
    examples = {name: np.zeros((1, *shape), np.int32 if name == WHEN else np.float32) for name, shape in shapes.items()}
    export_saved_model(folder, model, decision, examples, config_name)


def _measured(folder: Path) -> dict[str, Any]:
    """Rows → median milliseconds under both settings, and the median ratio of the turns."""
    from tensorflow.core.protobuf.config_pb2 import ConfigProto

    from deepstack.serving.server.worker import Loaded
    from deepstack.serving.session_config import read_session_config

    models = {"default": Loaded(folder, ConfigProto()), "shipped": Loaded(folder, read_session_config())}
    found = {}
    for rows in ROWS:
        inputs = _inputs(models["default"], rows)
        times: dict[str, list[float]] = {name: [] for name in models}
        answers = {name: model.ask("serving_default", inputs)["probability"] for name, model in models.items()}
        np.testing.assert_allclose(answers["shipped"], answers["default"], atol=1e-5)
        for _ in range(TURNS):
            for name, model in models.items():
                times[name].append(float(np.median([_ms(model, inputs) for _ in range(CALLS)])))
        default, shipped = (np.array(times[name]) for name in ("default", "shipped"))
        found[str(rows)] = {
            "default_ms": round(float(np.median(default)), 2),
            "shipped_ms": round(float(np.median(shipped)), 2),
            "ratio": round(float(np.median(shipped / default)), 2),
        }
    return found


def _inputs(model: Any, rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    made = {}
    for name, info in model.signatures["serving_default"].inputs.items():
        shape = (rows, *(dim.size for dim in info.tensor_shape.dim[1:]))
        seconds = np.full(shape, 800_000_000, np.int32)
        made[name] = seconds if name == "decision_s" else random.normal(size=shape).astype(np.float32)
    return made


def _ms(model: Any, inputs: dict[str, np.ndarray]) -> float:
    started = time.perf_counter()
    model.ask("serving_default", inputs)
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or CONFIGS))
