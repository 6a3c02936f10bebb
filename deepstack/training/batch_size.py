"""The batch size `auto` means."""

import keras

from deepstack.errors import ConfigError

COPIES_OF_WEIGHTS = 5
"""Weights, their gradient, two optimizer slots and the best weights kept for early stopping."""
GRADIENT_OF_OUTPUT = 2
"""Each layer output is held for the backward pass, and its gradient is of the same size."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
LARGEST = 65_536


def auto_batch_size(
    model: keras.Model, memory_gb: float, samples: int, replicas: int, bytes_per_sample: float | None
) -> int:
    """The largest power of two whose training step fits into `memory_gb` on each replica.

    Memory is the copies of the weights plus `bytes_per_sample` a sample; the data and the runtime itself, some
    hundred MB, are not counted.

    Args:
        model: built.
        memory_gb: GB (10⁹ bytes) a replica may use.
        samples: of the training slice; a batch holds no more, and no more than 65,536 a replica.
        replicas: a batch is shared equally by so many.
        bytes_per_sample: activation memory a training step needs a sample, as the model's builder knows it; None
            estimates it from the outputs of the model's layers, which is an upper bound for layers that recompute
            and too low for layers that hide a loop.

    Returns:
        Samples a batch over all replicas.

    Raises:
        ConfigError: not even one sample fits, or there are fewer samples than replicas.
    """
    fixed = COPIES_OF_WEIGHTS * 4 * model.count_params()
    each = bytes_per_sample if bytes_per_sample is not None else layer_output_bytes(model)
    fitting = int(min((memory_gb * 1e9 - fixed) / max(each, 1.0), samples // replicas, LARGEST))
    if fitting < 1:
        raise ConfigError(
            "training.memory_gb",
            expected=f"at least {(fixed + each) / 1e9:.2f} for one sample, and one for each of {replicas} replicas",
            received=f"{memory_gb:g} and {samples} samples",
            remedy="a smaller model or more memory_gb",
        )
    return replicas * 2 ** (fitting.bit_length() - 1)


def layer_output_bytes(model: keras.Model) -> float:
    """Bytes of all layer outputs of a functional model for one sample, with their gradients."""
    total = 0.0
    for layer in model._flatten_layers(include_self=False):
        for node in layer._inbound_nodes:
            for tensor in node.output_tensors:
                size = 1.0
                for extent in tensor.shape[1:]:
                    size *= extent or 1
                total += size * BYTES.get(str(tensor.dtype), 4)
    return GRADIENT_OF_OUTPUT * total
