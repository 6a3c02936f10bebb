"""Operations of a model's forward pass, counted in its graph: a loop's body as often as it runs."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import keras
import tensorflow as tf

from deepstack.layers.remat_scan import RematScan


def forward_flops(build: Callable[[], keras.Model]) -> float | None:
    """Multiply-adds of matrix products and convolutions for one sample, two operations each; no weight gets memory.

    Element-wise work is left out; beside the products it is small. TensorFlow's own profiler counts a loop's body once
    or not at all, whatever its trips.

    Returns:
        Operations; None where a shape or a loop's trips cannot be known from the graph.
    """
    with keras.StatelessScope(initialize_variables=False):
        model = build()
        for layer in model._flatten_layers():
            if isinstance(layer, RematScan):
                layer.checkpoint = "input"  # one loop of as many trips as blocks; in groups the last may be shorter
        specs = {tensor.name: tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs}
        traced = tf.function(lambda x: model(x, training=False), autograph=False).get_concrete_function(specs)
    found = _of_graph(traced.graph)
    keras.utils.clear_session()
    return found


def _of_graph(graph: Any) -> float | None:
    """Operations of all that the outputs of a graph need."""
    total = 0.0
    for op in _needed(graph):
        found = _of_function(op, graph) if _functions(op) else _of_op(op)
        if found is None:
            return None
        total += found
    return total


def _needed(graph: Any) -> set[tf.Operation]:
    needed, waiting = set(), [tensor.op for tensor in graph.outputs]
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return needed


def _functions(op: tf.Operation) -> dict[str, str]:
    """Attribute → name of the function that stands in it."""
    return {name: value.func.name for name, value in op.node_def.attr.items() if value.HasField("func")}


def _of_function(op: tf.Operation, graph: Any) -> float | None:
    """A loop's body times its trips, the dearer branch, or the function that is called."""
    counts = {name: _of_graph(graph._get_function(called).graph) for name, called in _functions(op).items()}
    if "body" in counts:
        body, trips = counts["body"], _trips(op, graph)
        return None if body is None or trips is None else body * trips
    known = [count for count in counts.values() if count is not None]
    return max(known) if len(known) == len(counts) else None


def _trips(loop: tf.Operation, graph: Any) -> int | None:
    """`maximum_iterations` of a loop, where constants and static shapes fix it."""
    try:
        with tf.compat.v1.Session(graph=graph) as session:
            most = int(session.run(loop.inputs[1]))
    except (tf.errors.OpError, ValueError):
        return None
    return most if most >= 0 else None


def _of_op(op: tf.Operation) -> float | None:
    if op.type not in _SUMMED:
        return 0.0
    shapes = [tensor.shape for tensor in (*op.outputs, *op.inputs)]
    if not all(shape.is_fully_defined() for shape in shapes):
        return None
    output, *inputs = ([int(extent) for extent in shape] for shape in shapes)
    return 2.0 * prod(output) * _SUMMED[op.type](op, inputs)


def _einsum(op: tf.Operation, inputs: list[list[int]]) -> int:
    terms, output = op.get_attr("equation").decode().replace(" ", "").split("->")
    extents: dict[str, int] = {}
    for term, shape in zip(terms.split(","), inputs, strict=True):
        first, _, last = term.partition("...")
        extents |= dict(zip(first, shape, strict=False)) | dict(zip(last[::-1], shape[::-1], strict=False))
    return prod(extent for label, extent in extents.items() if label not in output)


_SUMMED: Mapping[str, Callable[[tf.Operation, list[list[int]]], int]] = {
    "MatMul": lambda op, inputs: inputs[0][0 if op.get_attr("transpose_a") else 1],
    "BatchMatMulV2": lambda op, inputs: inputs[0][-2 if op.get_attr("adj_x") else -1],
    "Einsum": _einsum,
    "Conv2D": lambda _, inputs: prod(inputs[1][:-1]),
    "Conv3D": lambda _, inputs: prod(inputs[1][:-1]),
    "DepthwiseConv2dNative": lambda _, inputs: prod(inputs[1][:-2]),
}
"""Kind of operation → products summed for each element of its output."""
