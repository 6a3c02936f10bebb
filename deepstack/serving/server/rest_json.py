"""Bodies of the REST API: rows and columns, base64, tf.Examples as plain JSON."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.refusal import invalid
from deepstack.serving.server.signature import DEFAULT, to_json

DEEPEST = 60
"""Nested lists and objects; deeper ones would exhaust the stack."""


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {str(error)[:100]}") from error
    if not isinstance(tree, dict):
        raise invalid("Request body must be a JSON object")
    return tree


def inputs_in(tree: Mapping[str, Any], signature: SignatureDef) -> tuple[dict[str, Any], bool]:
    """The inputs of a predict request as columns, and whether they came as rows.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    if "instances" in tree and "inputs" in tree:
        raise invalid("Request body must contain either 'instances' or 'inputs', not both")
    names = list(signature.inputs)
    if "inputs" in tree:
        given = _decoded(tree["inputs"])
        if isinstance(given, dict):
            return given, False
        return {_only(names): given}, False
    if "instances" not in tree:
        raise invalid("Missing 'inputs' or 'instances' key")
    rows = _decoded(tree["instances"])
    if not isinstance(rows, list) or not rows:
        raise invalid("Expecting 'instances' to be a list of one element or more")
    if not isinstance(rows[0], dict):
        if any(isinstance(row, dict) for row in rows):
            raise invalid("Expecting all 'instances' to be of the same kind")
        return {_only(names): rows}, True
    if any(not isinstance(row, dict) or set(row) != set(rows[0]) for row in rows):
        raise invalid("Expecting all 'instances' to be objects with the same keys")
    return {name: [row[name] for row in rows] for name in rows[0]}, True


def row_answer(outputs: Arrays) -> dict[str, Any]:
    """One item a row: the value of the only output, or an object.

    Raises:
        Refusal: INVALID_ARGUMENT for outputs that have no rows, or not as many.
    """
    counts = {name: len(values) if values.ndim else None for name, values in outputs.items()}
    if None in counts.values() or len(set(counts.values())) > 1:
        raise invalid(f"outputs have inconsistent batch sizes: {counts}. Ask with 'inputs' in place of 'instances'")
    if len(outputs) == 1:
        ((name, values),) = outputs.items()
        return {"predictions": to_json(name, values)}
    columns = {name: to_json(name, values) for name, values in outputs.items()}
    rows = len(next(iter(columns.values())))
    return {"predictions": [{name: column[row] for name, column in columns.items()} for row in range(rows)]}


def column_answer(outputs: Arrays) -> dict[str, Any]:
    """One item an output, or the only one."""
    columns = {name: to_json(name, values) for name, values in outputs.items()}
    return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}


def examples_in(body: bytes) -> tuple[str, np.ndarray]:
    """The signature and the serialized tf.Examples, object [rows], of a classify or regress request.

    Raises:
        Refusal: INVALID_ARGUMENT.
    """
    tree = parsed(body)
    name, context, examples = tree.get("signature_name", DEFAULT), tree.get("context", {}), tree.get("examples")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    if not isinstance(context, dict):
        raise invalid("Example must be JSON object but got JSON element")
    if not isinstance(examples, list) or not examples:
        raise invalid("When method is classify, key 'examples' is expected and was not found, or is no list of any")
    found = np.empty(len(examples), object)
    for row, example in enumerate(examples):
        if not isinstance(example, dict):
            raise invalid("Example must be JSON object but got JSON element")
        found[row] = _example(context | example).SerializeToString()
    return name or DEFAULT, found


def _example(values: Mapping[str, Any]) -> Example:
    """Features of a JSON object: integers, floats, strings or base64, alone or in a list."""
    example = Example()
    for name, given in values.items():
        items = _decoded(given if isinstance(given, list) else [given])
        try:
            feature = example.features.feature[name]
            if all(type(item) is int for item in items):
                feature.int64_list.value.extend(items)
            elif all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
                feature.float_list.value.extend(map(float, items))
            elif all(isinstance(item, str | bytes) for item in items):
                feature.bytes_list.value.extend(item.encode() if isinstance(item, str) else item for item in items)
            else:
                raise ValueError("one kind of value expected")
        except (ValueError, OverflowError) as error:
            raise invalid(f"Example feature {name}: {str(error)[:100]}") from error
    return example


def _decoded(value: Any, depth: int = 0) -> Any:
    """The same with every `{"b64": text}` as its bytes."""
    if depth > DEEPEST:
        raise invalid(f"lists and objects nested {DEEPEST} deep at most are read")
    if isinstance(value, list):
        # A list of numbers, by far the most there is, holds nothing to decode.
        plain = not value or not isinstance(value[0], list | dict)
        return (
            value if plain and not any(isinstance(v, dict) for v in value) else [_decoded(v, depth + 1) for v in value]
        )
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise invalid("Unable to base64 decode") from error
        return {key: _decoded(item, depth + 1) for key, item in value.items()}
    return value


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise invalid(f"inputs is a plain value/list, but expecting an object/map of {', '.join(sorted(names))}")
    return names[0]


def as_json(tree: Any) -> bytes:
    """JSON as TensorFlow Serving writes it, NaN and infinities as such."""
    return json.dumps(tree).encode()
