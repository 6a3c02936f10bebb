"""The page of config keys says what the code says."""

from pathlib import Path

from deepstack.config.describe import keys
from deepstack.config.docs import render
from deepstack.config.run import RunConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "config.md"


def test_the_page_is_in_step_with_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m deepstack.config.docs > docs/config.md"


def test_every_key_is_described() -> None:
    bare = [key.name for key in keys(RunConfig) if not key.description or "any value" in key.accepts]
    assert not bare
