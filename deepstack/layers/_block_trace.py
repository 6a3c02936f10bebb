"""One traced call of a Keras block, cut into a forward and a backward function that loops can call at any depth."""

from collections.abc import Sequence

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]
Specs = Sequence[tf.TensorSpec]

_PRODUCTS = {"MatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative"}
_REDUCTIONS = {"Mean", "Sum", "Max"}  # small beside what they read: batch statistics, softmax denominators


class BlockTrace:
    """A block as pure functions of its input, its weights and its state.

    The block is traced once together with its gradient. Cutting that graph at chosen tensors gives the backward
    function: cut nowhere, it recomputes the whole forward pass from the block's input; cut at products
    and reductions (`save_products`), it recomputes only element-wise work (compare JAX's `dots_saveable`).

    Args:
        block: a built Keras layer or model mapping a tensor to one of the same shape and dtype.
        variables: the block's, in the order of `weights` and `state`, whatever has been frozen since.
        x: specification of the block's input.
        training: Keras' training flag.
        save_products: cut the backward graph at matrix products, convolutions and reductions.

    Attributes:
        saved_specs: what `forward` returns for `backward` besides its arguments.
        loss_dtype: of the sum of the block's own losses.
        has_losses: whether the block has any.
    """

    def __init__(
        self,
        block: keras.Layer,
        variables: Sequence[keras.Variable],
        x: tf.TensorSpec,
        weights: Specs,
        state: Specs,
        training: bool,
        save_products: bool,
    ) -> None:
        self._weights, self._state = len(weights), len(state)
        self.loss_dtype = loss_dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
        marks: dict[str, list] = {}

        def traced(*args: tf.Tensor) -> Tensors:
            x, w, s, dy, dloss = self._split(args)
            y, new_state, losses = _pure_call(block, variables, w, s, x, training)
            new_state = [tf.cast(value, spec.dtype) for value, spec in zip(new_state, state, strict=True)]
            loss = tf.add_n([tf.zeros((), loss_dtype), *(tf.cast(term, loss_dtype) for term in losses)])
            marks["forward"] = [op for op in tf.compat.v1.get_default_graph().get_operations()]
            gradients = tf.gradients([y, loss], [x, *w], [dy, dloss], unconnected_gradients="zero")
            gradients = [tf.convert_to_tensor(g) for g in gradients]
            marks["outputs"], marks["gradients"] = [y, *new_state, loss], gradients
            self.has_losses = bool(losses)
            return [y, *new_state, loss, *gradients]

        whole = tf.compat.v1.wrap_function(traced, [x, *weights, *state, x, tf.TensorSpec((), loss_dtype)])
        inputs = list(whole.inputs)
        saved = _needed_products(marks["gradients"], set(marks["forward"])) if save_products else []
        self.saved_specs = [tf.TensorSpec(t.shape, t.dtype) for t in saved]
        self._forward = _kept_whole(whole.prune(inputs[:-2], [*marks["outputs"], *saved]))
        self._backward = _kept_whole(whole.prune([*inputs, *saved], marks["gradients"]))

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


def _kept_whole(function: tf.types.experimental.ConcreteFunction) -> tf.types.experimental.ConcreteFunction:
    """The same function, never inlined.

    Without XLA the graph optimizer sums three or more gradients in a temporary buffer; inlined into a loop, the buffer
    is made once more when the loop has ended and never freed, and the next step fails on it.
    """
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in function.inputs]
    whole = tf.function(lambda *args: function(*args), autograph=False, experimental_attributes={"_noinline": True})
    return whole.get_concrete_function(*specs)


def _pure_call(
    block: keras.Layer,
    variables: Sequence[keras.Variable],
    weights: Tensors,
    state: Tensors,
    x: tf.Tensor,
    training: bool,
) -> tuple:
    """`(y, new state, losses)`: Keras' `stateless_call`, by `__call__` so that casts and activity penalties apply."""
    mapping = list(zip(variables, [*weights, *state], strict=True))
    flag = {"training": training} if block._call_has_training_arg else {}
    with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
        y = block(x, **flag)
        losses = block.losses
    return y, [scope.get_current_value(v) for v in variables[len(weights) :]], losses


def _needed_products(gradients: Tensors, forward: set[tf.Operation]) -> Tensors:
    """Products and reductions of the forward pass that the gradients depend on, in graph order."""
    found, seen, stack = [], set(), [t.op for t in gradients]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op in forward and op.type in _PRODUCTS | _REDUCTIONS:
            found.append(op)
            continue
        stack.extend(t.op for t in op.inputs)
    return [out for op in sorted(found, key=lambda op: op.name) for out in op.outputs]
