"""The table of counted layers: one row for every layer that holds weights, those inside a stack included."""

import csv
from collections.abc import Iterator
from pathlib import Path

import keras

from deepstack.layers.remat_scan import RematScan

COLUMNS = ("index", "name", "type", "stack", "block", "parameters", "trainable_parameters", "output_width")


def architecture_rows(model: keras.Model) -> Iterator[dict[str, object]]:
    """One row a counted layer, one that holds weights of its own, in the order data flows.

    Args:
        model: built.

    Yields:
        COLUMNS; `stack` and `block` name the depth-engine stack and the block inside it, empty elsewhere.
    """
    index = 0
    for layer in _every_layer(model):
        blocks = layer.depth if isinstance(layer, RematScan) else 1
        parts = list(_counted(layer.template if isinstance(layer, RematScan) else layer))
        for block in range(blocks):
            for part in parts:
                index += 1
                stacked = isinstance(layer, RematScan)
                parents = [layer.name] + ([f"block_{block}"] if stacked else [])
                yield {
                    "index": index,
                    "name": part.name if part is layer else "/".join([*parents, part.name]),
                    "type": type(part).__name__,
                    "stack": layer.name if stacked else "",
                    "block": block if stacked else "",
                    "parameters": sum(map(_size, _own(part))),
                    "trainable_parameters": sum(map(_size, _own(part)[: len(part._trainable_variables)]))
                    if part.trainable
                    else 0,
                    "output_width": _width(part),
                }


def count_layers(model: keras.Model) -> int:
    """How many counted layers a model has."""
    return sum(
        (layer.depth * len(list(_counted(layer.template))))
        if isinstance(layer, RematScan)
        else len(list(_counted(layer)))
        for layer in _every_layer(model)
    )


def write_architecture(path: Path, model: keras.Model) -> int:
    """Write the table as CSV; returns the number of counted layers."""
    rows = list(architecture_rows(model))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _every_layer(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of the graph, those of a network inside it in its place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _every_layer(layer)
        else:
            yield layer


def _counted(layer: keras.Layer) -> Iterator[keras.Layer]:
    yield from (part for part in layer._flatten_layers() if _own(part))


def _own(layer: keras.Layer) -> list[keras.Variable]:
    """Weights that no layer inside it holds, trainable ones first; counters and random states are none."""
    return [v for v in (*layer._trainable_variables, *layer._non_trainable_variables) if "float" in v.dtype]


def _width(layer: keras.Layer) -> int:
    """Units, or columns of its first weight that has any; a recurrent cell's kernel has several times its units."""
    return layer.units if hasattr(layer, "units") else next((v.shape[-1] for v in _own(layer) if len(v.shape)), 1)


def _size(variable: keras.Variable) -> int:
    size = 1
    for extent in variable.shape:
        size *= extent
    return size
