"""Warm-up requests: what TensorFlow Serving replays when it loads a version, so that the first client does not wait."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deepstack.artifact.candle_channels import COLUMNS
from deepstack.artifact.signatures import CANDLES, CLASSIFY, DEFAULT, REGRESS, SCALED, UNCERTAINTY
from deepstack.models.inputs import BASE

BATCH_SIZES = (1, 32)
"""Rows of the requests to `serving_default`; every other signature has one request of one row."""


def write_warmup(
    folder: Path,
    name: str,
    examples: Mapping[str, np.ndarray],
    signatures: Iterable[str] = (DEFAULT,),
    scalers: Mapping[str, Any] | None = None,
    features: Sequence[str] = (),
) -> None:
    """Write `tf_serving_warmup_requests`: some for `serving_default`, then one for every other signature.

    Args:
        folder: the version's `assets.extra`; made here.
        name: the servable's name.
        examples: input → real unscaled samples, repeated where a batch needs more.
        signatures: those the version has.
        scalers: input → fitted pipeline, for `predict_scaled`.
        features: names of the columns, for `predict_candles`.
    """
    one = _rows(examples, 1)
    inputs = {
        SCALED: lambda: {key: _scaled(values, (scalers or {}).get(key)) for key, values in one.items()},
        UNCERTAINTY: lambda: one,
        CANDLES: lambda: {"candles": _candles(one[BASE], features)},
    }
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for size in BATCH_SIZES:
            writer.write(_predict(name, DEFAULT, _rows(examples, size)))
        for signature in signatures:
            if signature in (CLASSIFY, REGRESS):
                writer.write(_of_example(name, signature, one))
            elif signature != DEFAULT:
                writer.write(_predict(name, signature, inputs[signature]()))


def _rows(examples: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    return {key: np.resize(values, (size, *values.shape[1:])) for key, values in examples.items()}


def _scaled(values: np.ndarray, scaler: Any) -> np.ndarray:
    if scaler is None:
        return values
    return np.asarray(scaler.transform(values.reshape(-1, values.shape[-1])), np.float32).reshape(values.shape)


def _candles(window: np.ndarray, features: Sequence[str]) -> np.ndarray:
    """Candles [1, bars, 5] with the example's own columns; a column it does not have is a stand-in."""
    known = dict(zip(features, np.moveaxis(window, -1, 0), strict=True))
    price = known.get("close", np.ones(window.shape[:-1], np.float32))
    return np.stack([known.get(column, price) for column in COLUMNS], axis=-1)


def _predict(name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, values in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
    return bytes(log.SerializeToString())


def _of_example(name: str, signature: str, row: Mapping[str, np.ndarray]) -> bytes:
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = (log.classify_log if signature == CLASSIFY else log.regress_log).request
    request.model_spec.name, request.model_spec.signature_name = name, signature
    request.input.example_list.examples.append(example_of({key: values[0] for key, values in row.items()}))
    return bytes(log.SerializeToString())


def example_of(sample: Mapping[str, np.ndarray]) -> tf.train.Example:
    """One sample's inputs, […], as `classify` and `regress` take it."""
    example = tf.train.Example()
    for key, values in sample.items():
        feature = example.features.feature[key]
        kind = feature.float_list if values.dtype.kind == "f" else feature.int64_list
        kind.value.extend(values.ravel().tolist())
    return example
