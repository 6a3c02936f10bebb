"""A builder's options: every mistake is named with what would have been right."""

from dataclasses import dataclass

import pytest

from deepstack.errors import ConfigError
from deepstack.models.options import between, positive, read_options


@dataclass(frozen=True)
class Options:
    width: int = 8
    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    keep: str | int = "input"

    def __post_init__(self) -> None:
        positive(self, "width", "sizes")
        between(self, 0.0, 1.0, "rate")


def test_options_become_the_dataclass() -> None:
    assert read_options(Options, {}) == Options()
    given = {"width": 3, "rate": 0, "sizes": [4, 5], "keep": 7}
    assert read_options(Options, given) == Options(3, 0.0, (4, 5), 7)
    assert isinstance(read_options(Options, given).rate, float)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widht": 3}, ["model.options.widht", "'widht'", "`width`"]),
        ({"zzz": 3}, ["model.options.zzz", "one of width, rate, sizes, keep"]),
        ({"width": "3"}, ["model.options.width", "int", "'3'"]),
        ({"width": 3.5}, ["model.options.width", "int", "3.5"]),
        ({"width": True}, ["model.options.width", "int", "True"]),
        ({"width": None}, ["model.options.width", "int", "None"]),
        ({"rate": "low"}, ["model.options.rate", "a number", "'low'"]),
        ({"rate": True}, ["model.options.rate", "a number", "True"]),
        ({"sizes": 3}, ["model.options.sizes", "a list, each an integer", "3"]),
        ({"sizes": [1, "2"]}, ["model.options.sizes", "int", "'2'"]),
        ({"keep": 0.5}, ["model.options.keep", "text or an integer", "0.5"]),
        ({"width": 0}, ["model.options", "width", "positive", "0"]),
        ({"sizes": []}, ["model.options", "sizes", "positive", "()"]),
        ({"sizes": [3, -1]}, ["model.options", "sizes", "(3, -1)"]),
        ({"rate": 1.0}, ["model.options", "rate", "below 1", "1.0"]),
        ({"rate": -0.1}, ["model.options", "rate", "at least 0", "-0.1"]),
        ({"rate": float("nan")}, ["model.options", "rate", "nan"]),
        ({"rate": float("inf")}, ["model.options", "rate", "inf"]),
    ],
    ids=str,
)
def test_a_mistake_is_named(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(Options, options)
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)
    assert "\n" not in str(caught.value)
