"""The page of models says what the catalogue says."""

from pathlib import Path

import pytest

from deepstack.models.catalogue import MODELS
from deepstack.pipeline.models import ModelRow, model_rows, render

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


@pytest.fixture(scope="module")
def rows() -> list[ModelRow]:
    return list(model_rows())


def test_the_page_is_in_step_with_the_catalogue(rows: list[ModelRow]) -> None:
    page = render(rows)
    assert PAGE.read_text(encoding="utf-8") == page, "run: python -m deepstack.pipeline.models > docs/models.md"
    assert " |  |\n" not in page  # every option has its meaning


def test_the_default_network_has_its_2000_residual_layers_and_the_others(rows: list[ModelRow]) -> None:
    layers = {row.name: row.layers for row in rows}
    assert set(layers) == set(MODELS)
    # 500 blocks of 4, then stem 2, dense units (10 + 5 + 5) x 2, transitions 3 x 2, attention 3 x 2 + 1, logit 1.
    assert layers["ultimate"] == 2000 + 2 + 40 + 6 + 7 + 1
    assert layers["sequential"] == 75
