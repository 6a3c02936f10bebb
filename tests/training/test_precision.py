"""Precision on this machine, and a global policy that is put back."""

import keras
import pytest
import tensorflow as tf

from deepstack.training.precision import dtype_policy, resolve_precision


def test_auto_is_float32_without_a_gpu_and_follows_the_weakest_gpu(monkeypatch):
    assert resolve_precision("mixed_bfloat16") == "mixed_bfloat16"
    for capabilities, expected in [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([(7, 5)], "mixed_float16"),
        ([(9, 0), (8, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 0)], "mixed_float16"),
    ]:
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind, found=capabilities: found)
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", lambda capability: {"compute_capability": capability}
        )
        assert resolve_precision("auto") == expected


def test_the_policy_is_put_back_even_after_an_error():
    before = keras.config.dtype_policy().name
    with pytest.raises(ZeroDivisionError), dtype_policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == before
