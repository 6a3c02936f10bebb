"""One tiny experiment with a space, for all tests of searches."""

import pytest

from deepstack.config.read import read_config
from deepstack.config.run import RunConfig

CONFIG = """\
name: tiny
seed: 5
data:
  synthetic: {symbols: 2, bars: 4000, interval: 1h, edge: 3.0}
features: {groups: [price], max_features: 8}
model: {name: sequential, options: {layers: 5, width: 8}}
training: {strategy: none, jit_compile: false, learning_rate: 0.01, epochs: 2, batch_size: 64}
evaluation: {baselines: [take_all], bootstrap_resamples: 100, permutation_rows: 100}
tuning:
  space:
    model.options.width: choice [4, 8]
    training.learning_rate: log 1e-3..1e-1
    training.loss: choice [cross_entropy, focal]
    training.focal_gamma: {space: float 0.5..3, when: {training.loss: focal}}
  folds: {count: 2}
"""


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    path = tmp_path_factory.mktemp("tuning") / "tiny.yaml"
    path.write_text(CONFIG)
    return read_config(path)
