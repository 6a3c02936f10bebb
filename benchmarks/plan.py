"""The plan against what is then measured: step time and resident memory of training, default network.

Bar: both within 25 %. Plan and training run in a process of their own each: `python benchmarks/plan.py`.
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from _experiment import default_config
from _result import Bar, write_result


def planned() -> dict[str, float | None]:
    """What `deepstack plan configs/ultimate.yaml` says."""
    from deepstack.pipeline.plan import plan

    found = plan(default_config())
    return {"step_s": found.step_s, "memory_mb": found.memory_mb, "parameters": found.parameters}


def measured() -> dict[str, float]:
    """What a training of forty steps comes to."""
    import numpy as np

    from deepstack.models import catalogue
    from deepstack.models.heads import binary_head
    from deepstack.pipeline.record import peak_rss_mb
    from deepstack.samples.batches import Samples
    from deepstack.training.fit import fit
    from deepstack.training.objective import objective_of

    config = default_config(epochs=2)
    rows, features = 20 * 256, config.features.max_features
    x = np.random.default_rng(0).normal(size=(rows, features)).astype(np.float32)
    won, head = x[:, 0] > 0, binary_head()
    y = np.stack([~won, won, *np.zeros((2, rows))], axis=1)[:, None].astype(np.float32)
    samples = Samples({"features": x}, np.arange(rows), y, np.ones((rows, 1), np.float32))
    entry = catalogue.find(config.model.name)
    build = partial(catalogue.build, config.model.name, {"features": (features,)}, head, config.model.options)
    objective = objective_of(head, config.training)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(build, objective, samples, samples, config.training, seed=0, folder=Path(folder), xla=entry.xla)
    return {
        "step_s": fitted.batch_size / fitted.samples_per_s,
        "memory_mb": peak_rss_mb(),
        "parameters": fitted.model.count_params(),
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps({"planned": planned, "measured": measured}[sys.argv[1]]()))
        return
    figures = {}
    for name in ("planned", "measured"):
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        figures[name] = json.loads(done.stdout.splitlines()[-1])
    what = {"step_s": "step time", "memory_mb": "memory", "parameters": "parameters"}
    ratios = {key: figures["planned"][key] / figures["measured"][key] for key in what}
    bars = [Bar(f"planned / measured {what[key]}", ratio, "in", [0.75, 1.25], "×") for key, ratio in ratios.items()]
    sys.exit(write_result("plan", bars, **figures))


if __name__ == "__main__":
    main()
