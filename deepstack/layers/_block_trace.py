"""One traced call of a Keras block, cut into a forward and a backward function that loops can call at any depth."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]

_EXPENSIVE = {"MatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2dNative"}


class BlockTrace:
    """A block as pure functions of its input, its weights and its state.

    The block is traced once together with its gradient. Cutting that graph at chosen tensors gives the backward
    function: cut nowhere, it recomputes the whole forward pass from the block's input; cut at the products
    (`save_products`), it recomputes only cheap element-wise work (what JAX calls `dots_saveable`).

    Args:
        block: a built Keras layer or model mapping a tensor to one of the same shape and dtype.
        x: specification of the block's input.
        training: Keras' training flag.
        save_products: cut the backward graph at matrix products and convolutions.
    """

    def __init__(self, block: keras.Layer, x: tf.TensorSpec, training: bool, save_products: bool) -> None:
        weights = [tf.TensorSpec(v.shape, v.dtype) for v in block.trainable_variables]
        state = [tf.TensorSpec(v.shape, v.dtype) for v in block.non_trainable_variables]
        self._weights, self._state = len(weights), len(state)
        marks: dict[str, list] = {}

        def traced(*args: tf.Tensor) -> Tensors:
            x, w, s, dy, dloss = self._split(args)
            y, new_state, losses = block.stateless_call(w, s, x, training=training, return_losses=True)
            loss = tf.add_n([tf.cast(term, tf.float32) for term in losses]) if losses else tf.zeros((), tf.float32)
            marks["forward"] = [op for op in tf.compat.v1.get_default_graph().get_operations()]
            gradients = tf.gradients([y, loss], [x, *w], [dy, dloss], unconnected_gradients="zero")
            gradients = [tf.convert_to_tensor(g) for g in gradients]
            marks["outputs"], marks["gradients"] = [y, *new_state, loss], gradients
            self.has_losses = bool(losses)
            return [y, *new_state, loss, *gradients]

        loss_spec = tf.TensorSpec((), tf.float32)
        whole = tf.compat.v1.wrap_function(traced, [x, *weights, *state, x, loss_spec])
        inputs = list(whole.inputs)
        saved = _needed_products(marks["gradients"], set(marks["forward"])) if save_products else []
        self.saved_specs = [tf.TensorSpec(t.shape, t.dtype) for t in saved]
        self._forward = whole.prune(inputs[:-2], [*marks["outputs"], *saved])
        self._backward = whole.prune([*inputs, *saved], marks["gradients"])

    def forward(self, x: tf.Tensor, weights: Sequence[tf.Tensor], state: Sequence[tf.Tensor]) -> tuple:
        """`(y, new state, loss, saved tensors)` of one block."""
        out = list(self._forward(x, *weights, *state))
        n = self._state
        return out[0], out[1 : 1 + n], out[1 + n], out[2 + n :]

    def backward(
        self, x: tf.Tensor, weights: Tensors, state: Tensors, saved: Tensors, dy: tf.Tensor, dloss: tf.Tensor
    ) -> tuple[tf.Tensor, Tensors]:
        """`(dx, weight gradients)` of one block for the state it had before the forward call."""
        dx, *dw = self._backward(x, *weights, *state, dy, dloss, *saved)
        return dx, dw

    def _split(self, args: Sequence[tf.Tensor]) -> tuple:
        x, *rest, dy, dloss = args
        return x, rest[: self._weights], rest[self._weights :], dy, dloss


def _needed_products(gradients: Tensors, forward: set[tf.Operation]) -> Tensors:
    """Outputs of expensive forward operations that the gradients depend on, in graph order."""
    found, seen, stack = [], set(), [t.op for t in gradients]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op in forward and op.type in _EXPENSIVE:
            found.append(op)
            continue
        stack.extend(t.op for t in op.inputs)
    return [out for op in sorted(found, key=lambda op: op.name) for out in op.outputs]


TraceKey = tuple
TraceFactory = Callable[[tf.TensorSpec, bool], BlockTrace]
