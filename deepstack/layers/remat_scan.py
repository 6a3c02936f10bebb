"""The depth engine: one Keras block repeated `depth` times with stacked weights, in one loop that rematerialises."""

from copy import deepcopy
from typing import Any

import keras
import tensorflow as tf

from deepstack.layers._block_trace import BlockTrace, Tensors
from deepstack.layers._stacked import stacked_initializer, stacked_regularizer, stacked_seed_states
from deepstack.layers.default_seeds import default_seeds


class _Untracked:
    """Holds the template block out of Keras' sight: its variables are placeholders, the stacks are the weights."""

    def __init__(self, block: keras.Layer) -> None:
        self.block = block


@keras.saving.register_keras_serializable(package="deepstack")
class RematScan(keras.layers.Layer):
    """`y = block_{depth-1}(… block_1(block_0(x)))`, each block with its own weights, statistics and randomness.

    Graph size and compile time do not grow with depth: forward and backward are one `tf.while_loop` each. The
    backward loop recomputes a block from what the checkpoint policy kept (Chen et al. 2016, "Training Deep Nets with
    Sublinear Memory Cost"), with the state the block had before the forward pass, so a dropout mask is drawn twice
    alike and batch statistics move once. Unlike `keras.remat`, which wraps each of `depth` layers, and unlike
    `keras.ops.scan`, which carries one set of weights.

    Weights are the block's own with a leading depth axis, `[depth, …]`; non-trainable ones likewise.

    Args:
        block: a Keras layer or functional model, float input to float output of the same shape and dtype. Its config
            is copied; the instance itself is not used.
        depth: number of blocks.
        checkpoint: what the forward pass keeps for the backward pass: `"input"`, each block's input; an int k, every
            k-th block's input (least memory near the square root of depth); `"everything"`, each block's input and
            its matrix products, so that only element-wise work is recomputed.
    """

    def __init__(self, block: keras.Layer, depth: int, checkpoint: str | int = "input", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if depth < 1:
            raise ValueError(f"depth must be at least 1, received {depth}")
        if checkpoint not in ("input", "everything") and not (type(checkpoint) is int and checkpoint >= 1):
            raise ValueError(f"checkpoint must be 'input', 'everything' or an int >= 1, received {checkpoint!r}")
        self.depth = depth
        self.checkpoint = checkpoint
        self._block_config = _Untracked(keras.saving.serialize_keras_object(block))
        self.supports_masking = False

    # Weights

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the stacks, slice by slice as the block itself would have initialised them."""
        with keras.StatelessScope(initialize_variables=False):
            template = self.new_block("template")
            if not template.built:
                template.build(input_shape)
            initializers = {id(v): v._initializer for v in template.variables}
            spec = template.compute_output_spec(keras.KerasTensor(input_shape, self.compute_dtype))
        if (tuple(spec.shape), spec.dtype) != (tuple(input_shape), self.compute_dtype):
            raise ValueError(
                f"{self.name} repeats a block, so its output needs the same shape and dtype as its input; the block "
                f"maps {tuple(input_shape)} {self.compute_dtype} to {tuple(spec.shape)} {spec.dtype}"
            )
        with keras.StatelessScope():
            pass  # leaving an outermost scope gives the template its unused values
        self._template = _Untracked(template)
        self.block_shape = tuple(input_shape)
        self._traces = _Untracked({})
        seeds = iter(default_seeds(len(template.variables)))
        seed_states = {id(g.state) for layer in template._flatten_layers() for g in layer._seed_generators}
        self._weight_stacks: list[keras.Variable] = []
        self._state_stacks: list[keras.Variable] = []
        self._variables = _Untracked([*template.trainable_variables, *template.non_trainable_variables])
        for variable in self._variables.block:
            is_seed, seed = id(variable) in seed_states, next(seeds)
            stack = self.add_weight(
                shape=(self.depth, *variable.shape),
                dtype=variable.dtype,
                name="_".join(variable.path.split("/")[1:]) or variable.name,
                trainable=variable.trainable,
                autocast=False,
                aggregation="only_first_replica" if is_seed else ("none" if variable.trainable else "mean"),
                regularizer=stacked_regularizer(variable.regularizer),
                initializer=stacked_seed_states(self.depth, seed)
                if is_seed
                else stacked_initializer(initializers[id(variable)], self.depth, seed),
            )
            variable.regularizer = None
            (self._weight_stacks if variable.trainable else self._state_stacks).append(stack)
        self.built = True

    def new_block(self, name: str) -> keras.Layer:
        """A fresh, unconnected block of the stack's configuration."""
        # Keras takes entries out of a functional model's config while it reads it.
        block = keras.saving.deserialize_keras_object(deepcopy(self._block_config.block))
        block.name = name
        return block

    # Loops

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Run the stack; shape and dtype of the output are those of the input."""
        training = bool(training)
        weights = [tf.convert_to_tensor(w.value) for w in self._weight_stacks]
        state = [tf.convert_to_tensor(s.value) for s in self._state_stacks]
        trace = self._trace(inputs, training)

        @tf.custom_gradient
        def scan(x: tf.Tensor, *weights: tf.Tensor) -> tuple:
            y, new_state, loss, kept, saved = self._forward(trace, x, list(weights), state)

            def gradient(dy: tf.Tensor, *rest: tf.Tensor) -> tuple:
                dx, dw = self._backward(trace, kept, saved, list(weights), state, dy, rest[-1])
                return dx, *dw

            return (y, *new_state, loss), gradient

        y, *new_state, loss = scan(inputs, *weights)
        if training:
            for variable, value in zip(self._state_stacks, new_state, strict=True):
                variable.assign(value)
        if trace.has_losses:
            self.add_loss(loss)
        return y

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input's."""
        return input_shape

    @property
    def _stride(self) -> int:
        return self.checkpoint if isinstance(self.checkpoint, int) else 1

    def _trace(self, x: tf.Tensor, training: bool) -> BlockTrace:
        key = (tuple(x.shape), x.dtype, training, _replica())
        traces = self._traces.block
        if key not in traces:
            spec = tf.TensorSpec(x.shape, x.dtype)
            weights, state = (
                [tf.TensorSpec(stack.shape[1:], stack.dtype) for stack in stacks]
                for stacks in (self._weight_stacks, self._state_stacks)
            )
            keep = self.checkpoint == "everything"
            traces[key] = BlockTrace(self._template.block, self._variables.block, spec, weights, state, training, keep)
        return traces[key]

    def _forward(self, trace: BlockTrace, x: tf.Tensor, weights: Tensors, state: Tensors) -> tuple:
        """`(y, new state stacks, loss, kept inputs, saved products)`; kept is `[ceil(depth / stride), *x.shape]`."""
        stride, depth = self._stride, self.depth
        kept = tf.TensorArray(x.dtype, -(-depth // stride), element_shape=x.shape)
        states = [tf.TensorArray(s.dtype, depth, element_shape=s.shape[1:]) for s in state]
        saved = [tf.TensorArray(s.dtype, depth, element_shape=s.shape) for s in trace.saved_specs]

        def step(i: tf.Tensor, x: tf.Tensor, loss: tf.Tensor, states: list, saved: list) -> tuple:
            y, new, extra, products = trace.forward(x, [w[i] for w in weights], [s[i] for s in state])
            states = [a.write(i, v) for a, v in zip(states, new, strict=True)]
            return i + 1, y, loss + extra, states, [a.write(i, v) for a, v in zip(saved, products, strict=True)]

        def group(
            g: tf.Tensor, x: tf.Tensor, loss: tf.Tensor, kept: tf.TensorArray, states: list, saved: list
        ) -> tuple:
            kept = kept.write(g, x)
            last = tf.minimum((g + 1) * stride, depth)
            carry = (g * stride, x, loss, states, saved)
            carry = step(*carry) if stride == 1 else _loop(lambda i, *_: i < last, step, carry, stride)
            return g + 1, carry[1], carry[2], kept, carry[3], carry[4]

        carry = (tf.constant(0), x, tf.zeros((), trace.loss_dtype), kept, states, saved)
        _, y, loss, kept, states, saved = _loop(
            lambda g, *_: g < -(-depth // stride), group, carry, -(-depth // stride)
        )
        return y, [a.stack() for a in states], loss, kept.stack(), [a.stack() for a in saved]

    def _backward(
        self,
        trace: BlockTrace,
        kept: tf.Tensor,
        saved: Tensors,
        weights: Tensors,
        state: Tensors,
        dy: tf.Tensor,
        dloss: tf.Tensor,
    ) -> tuple[tf.Tensor, Tensors]:
        """`(dx, gradient stacks)`, walking the groups from the last to the first."""
        stride, depth = self._stride, self.depth
        gradients = [tf.TensorArray(w.dtype, depth, element_shape=w.shape[1:]) for w in weights]

        def at(stacks: Tensors, i: tf.Tensor) -> Tensors:
            return [stack[i] for stack in stacks]

        def back(i: tf.Tensor, x: tf.Tensor, dy: tf.Tensor, gradients: list) -> tuple:
            dx, dw = trace.backward(x, at(weights, i), at(state, i), at(saved, i), dy, dloss)
            return dx, [a.write(i, v) for a, v in zip(gradients, dw, strict=True)]

        def group(g: tf.Tensor, dy: tf.Tensor, gradients: list) -> tuple:
            if stride == 1:
                return g - 1, *back(g, kept[g], dy, gradients)
            first, last = g * stride, tf.minimum((g + 1) * stride, depth)
            inputs = tf.TensorArray(dy.dtype, stride, element_shape=dy.shape, clear_after_read=False)

            def again(i: tf.Tensor, x: tf.Tensor, inputs: tf.TensorArray) -> tuple:
                return i + 1, trace.forward(x, at(weights, i), at(state, i))[0], inputs.write(i - first, x)

            _, _, inputs = _loop(lambda i, *_: i < last, again, (first, kept[g], inputs), stride)

            def step(i: tf.Tensor, dy: tf.Tensor, gradients: list) -> tuple:
                return i - 1, *back(i, inputs.read(i - first), dy, gradients)

            _, dy, gradients = _loop(lambda i, *_: i >= first, step, (last - 1, dy, gradients), stride)
            return g - 1, dy, gradients

        groups = -(-depth // stride)
        _, dx, gradients = _loop(lambda g, *_: g >= 0, group, (tf.constant(groups - 1), dy, gradients), groups)
        return dx, [a.stack() for a in gradients]

    # The plain network

    def unroll(self) -> keras.Model:
        """The same network as a plain functional model of `depth` blocks holding a copy of the same weights."""
        x = inputs = keras.Input(self.block_shape[1:], dtype=self.compute_dtype)
        blocks = [self.new_block(f"block_{i}") for i in range(self.depth)]
        for block in blocks:
            x = block(x)
        for i, block in enumerate(blocks):
            pairs = zip([*block.trainable_variables, *block.non_trainable_variables], self.stacks, strict=True)
            for variable, stack in pairs:
                variable.assign(stack.value[i])
        return keras.Model(inputs, x, name=f"{self.name}_unrolled")

    @property
    def template(self) -> keras.Layer:
        """A built block whose weights are placeholders: its shapes and parts are those of every block."""
        return self._template.block

    @property
    def stacks(self) -> list[keras.Variable]:
        """The weights `[depth, …]`, trainable ones first, in the order of the template's."""
        return [*self._weight_stacks, *self._state_stacks]

    def get_config(self) -> dict[str, Any]:
        """Block, depth and checkpoint policy."""
        config = {"block": self._block_config.block, "depth": self.depth, "checkpoint": self.checkpoint}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RematScan":
        """Rebuild the layer; the block's own config travels inside."""
        config = deepcopy(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("block")), **config)


def _loop(condition: Any, body: Any, carry: tuple, most: int) -> tuple:
    return tf.while_loop(condition, body, carry, maximum_iterations=most)


def _replica() -> tuple[int, int | None] | None:
    """Number of replicas and which of them this is: a trace holds the replica's number, which its masks depend on."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return None
    number = tf.get_static_value(tf.convert_to_tensor(replica.replica_id_in_sync_group))
    return replica.num_replicas_in_sync, None if number is None else int(number)
