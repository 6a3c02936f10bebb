"""Every config of the project ships a space to search, and both ends of each key make a model its builder takes."""

from pathlib import Path

import pytest

from deepstack.config.read import read_config
from deepstack.models import catalogue
from deepstack.tuning.space import require_space

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_can_be_searched(path: Path) -> None:
    config = read_config(path)
    require_space(config)
    assert {parameter.key.partition(".")[0] for parameter in config.tuning.parameters} >= {"model", "training"}


def test_every_model_has_one() -> None:
    assert {read_config(path).model.name for path in CONFIGS} == set(catalogue.MODELS)
