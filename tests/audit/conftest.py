"""A small experiment that every audit test looks at, in three shapes."""

from collections.abc import Callable

import pytest

from deepstack.audit.mutations import SUBJECTS
from deepstack.candles.market import Market
from deepstack.candles.synthetic import make_market
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig

CONFIG = """\
name: audited
seed: 5
data:
  synthetic: {symbols: 2, bars: 2600, interval: 1h, edge: 1.0}
features: {names: [return_1, return_5, volume_z_20, idiosyncratic_return_1]}
labels: {channel_bars: 6}
split: {embargo_bars: 4}
training: {strategy: none}
"""


@pytest.fixture(scope="session")
def config_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunConfig]:
    """Name of a subject → its config."""
    path = tmp_path_factory.mktemp("audit") / "audited.yaml"
    path.write_text(CONFIG)
    return lambda subject, *more: read_config(path, (*SUBJECTS[subject], *more))


@pytest.fixture(scope="session")
def audited_market(config_of: Callable[..., RunConfig]) -> Market:
    config = config_of("bar")
    return make_market(config.data.synthetic, config.seed)
