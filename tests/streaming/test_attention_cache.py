"""Keys and values are used while the window shows the same bars again, and never else."""

from collections import Counter

import keras
import numpy as np
import pytest

from deepstack.artifact.model import raw_outputs
from deepstack.artifact.stepper import AttentionStepper
from deepstack.models.heads import binary_head
from deepstack.models.transformer.transformer_decoder import TransformerDecoderConfig, build
from deepstack.streaming.attention_cache import AttentionCache

BARS, FEATURES, STEP_MS = 10, 4, 60_000


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(5)
    config = TransformerDecoderConfig(sines=False, spans=(4,))
    return build({"features": (BARS, FEATURES)}, binary_head(), config)


def test_each_answer_is_that_of_its_window(network: keras.Model) -> None:
    counts: Counter[str] = Counter()
    cache = AttentionCache(AttentionStepper(network), 8, 60.0, STEP_MS, lambda name: counts.update([name]))
    known = np.random.default_rng(1).normal(size=(40, FEATURES)).astype(np.float32)

    def ask(end: int, bars: np.ndarray = known, symbol: str = "A") -> None:
        window = bars[end - BARS : end]
        wanted = raw_outputs(network, {"features": window[None]})
        np.testing.assert_allclose(cache.answer(symbol, end * STEP_MS, window), wanted, atol=1e-5)

    for end in (10, 11, 12, 15):  # one bar later, and three
        ask(end)
    assert counts == {"attention_read": 1, "attention_kept": 3}
    ask(15)  # the newest bar again, as after a revision
    ask(30)  # so much later that nothing is left of what is kept
    ask(29)  # earlier
    revised = known.copy()
    revised[26] += 0.01
    ask(30, revised)  # a bar in between is another now
    ask(31, known, "B")
    assert counts == {"attention_read": 6, "attention_kept": 3}


def test_size_and_age_are_bounds(network: keras.Model) -> None:
    counts: Counter[str] = Counter()
    known = np.zeros((20, FEATURES), np.float32)

    def asked(cache: AttentionCache, symbol: str, end: int) -> str:
        counts.clear()
        cache.answer(symbol, end * STEP_MS, known[end - BARS : end])
        return next(iter(counts))

    stepper = AttentionStepper(network)
    small = AttentionCache(stepper, 1, 60.0, STEP_MS, lambda name: counts.update([name]))
    assert [asked(small, *each) for each in (("A", 10), ("B", 10), ("A", 11), ("A", 12))] == [
        *(["attention_read"] * 3),
        "attention_kept",
    ]
    short = AttentionCache(stepper, 8, 0.0, STEP_MS, lambda name: counts.update([name]))
    assert [asked(short, "A", end) for end in (10, 11)] == ["attention_read"] * 2
