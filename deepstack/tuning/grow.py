"""Beginning a deeper stack with the weights of a shallower one."""

from collections.abc import Sequence

import keras
import numpy as np

from deepstack.layers.remat_scan import RematScan


def grown(model: keras.Model, shallow: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Weights for a network whose stacks are deeper than those of a trained one.

    The trained blocks stand at even distances, the new ones between them as their initialiser made them. A residual
    block begins as the identity, so a grown residual stack answers what the shallow one did.

    Args:
        model: the deeper network, fresh.
        shallow: `get_weights` of the trained one.

    Returns:
        Weights for `set_weights`; None where the two differ in more than the depth of stacks, or in nothing.

    Source: Gong et al. 2019, Efficient training of BERT by progressively stacking; function-preserving growth after
    Chen et al. 2016, Net2Net.
    """
    stacked = {id(stack) for layer in model._flatten_layers() if isinstance(layer, RematScan) for stack in layer.stacks}
    if len(model.weights) != len(shallow):
        return None
    found, deeper = [], False
    for variable, trained in zip(model.weights, shallow, strict=True):
        shape = tuple(variable.shape)
        if trained.shape == shape:
            found.append(trained)
        elif id(variable) in stacked and trained.shape[1:] == shape[1:] and len(trained) < shape[0]:
            value = variable.numpy().copy()
            value[places(len(trained), shape[0])] = trained
            found.append(value)
            deeper = True
        else:
            return None
    return found if deeper else None


def places(shallow: int, deep: int) -> np.ndarray:
    """Where the blocks of a shallow stack stand in a deep one, int64 [shallow]: the first and last stay so."""
    return np.round(np.linspace(0, deep - 1, shallow)).astype(np.int64)
