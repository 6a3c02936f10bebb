"""Pretrained weights of a ResNet18, by layer: from a state dict in torchvision's or timm's layout, or from Keras'."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from deepstack.errors import ConfigError

LayerWeights = dict[str, list[np.ndarray]]
"""Layer name of keras-hub's ResNet → its weights."""

WHERE = "model.options.weights"
PRESET = "resnet_18_imagenet"
NORM = ("weight", "bias", "running_mean", "running_var")
REMEDY = "a torchvision or timm ResNet18 as .safetensors, or Keras weights as .weights.h5"


def read_resnet18(source: str) -> LayerWeights:
    """The backbone's weights.

    Args:
        source: `imagenet`, fetched by keras-hub unless it has it already, or the path of a file.

    Raises:
        ConfigError: they cannot be had, or are not a ResNet18's.
    """
    if source == "imagenet":
        return _of_layers(_preset())
    path = Path(source)
    if not path.is_file():
        raise ConfigError(
            WHERE, expected="none, imagenet, or a file", received=f"{source}, no such file", remedy=REMEDY
        )
    if path.name.endswith(".weights.h5"):
        return _of_layers(_keras_file(path))
    if path.suffix == ".safetensors":
        return _of_state_dict(_safetensors(path), path)
    raise ConfigError(WHERE, expected="a .safetensors or .weights.h5 file", received=path.name, remedy=REMEDY)


def first_kernel(rgb: np.ndarray, channels: int) -> np.ndarray:
    """The first convolution for other channels: the mean of its RGB kernels for each, scaled to as strong a response.

    Args:
        rgb: float32 [height, width, 3, filters].
        channels: of the images.

    Returns:
        float32 [height, width, channels, filters].
    """
    mean = rgb.mean(axis=2, keepdims=True) * (rgb.shape[2] / channels)
    return np.repeat(mean, channels, axis=2).astype(np.float32)


def torch_names() -> dict[str, tuple[str, ...]]:
    """Layer of keras-hub's ResNet18 → the keys of its weights in a state dict."""
    names = {"conv1_conv": ("conv1.weight",), "conv1_bn": _norm("bn1")}
    for stage in range(4):
        for block in range(2):
            ours, theirs = f"stack{stage}_block{block}", f"layer{stage + 1}.{block}"
            for number in (1, 2):
                names[f"{ours}_{number}_conv"] = (f"{theirs}.conv{number}.weight",)
                names[f"{ours}_{number}_bn"] = _norm(f"{theirs}.bn{number}")
            if stage and not block:
                names[f"{ours}_0_conv"] = (f"{theirs}.downsample.0.weight",)
                names[f"{ours}_0_bn"] = _norm(f"{theirs}.downsample.1")
    return names


def _norm(layer: str) -> tuple[str, ...]:
    return tuple(f"{layer}.{part}" for part in NORM)


def _of_state_dict(state: dict[str, np.ndarray], path: Path) -> LayerWeights:
    state = {re.sub(r"^(module|backbone)\.", "", key): value for key, value in state.items()}
    shapes = {layer: [tuple(w.shape) for w in weights] for layer, weights in _of_layers(_new()).items()}
    found: LayerWeights = {}
    for layer, keys in torch_names().items():
        for key, shape in zip(keys, shapes[layer], strict=True):
            if key not in state:
                raise _not_resnet18(path, f"no {key}")
            # A convolution is [filters, channels, height, width] there, [height, width, channels, filters] here.
            value = state[key].transpose(2, 3, 1, 0) if state[key].ndim == 4 else state[key]
            if value.shape != shape:
                raise _not_resnet18(path, f"{key} of shape {state[key].shape}")
            found.setdefault(layer, []).append(np.ascontiguousarray(value, np.float32))
    return found


def _not_resnet18(path: Path, received: str) -> ConfigError:
    return ConfigError(f"{WHERE}: {path}", expected="the weights of a ResNet18", received=received, remedy=REMEDY)


def _of_layers(backbone: Any) -> LayerWeights:
    return {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}


def _new() -> Any:
    from keras_hub.models import ResNetBackbone

    return ResNetBackbone([64], [7], [64, 128, 256, 512], [2, 2, 2, 2], [1, 2, 2, 2], "basic_block")


def _preset() -> Any:
    from keras_hub.models import ResNetBackbone

    try:
        return ResNetBackbone.from_preset(PRESET)
    except Exception as error:
        raise ConfigError(
            f"{WHERE}=imagenet",
            expected=f"keras-hub's preset {PRESET}, or a connection to fetch it",
            received=type(error).__name__,
            remedy=f"fetching it once where there is one, or the path of a file: {REMEDY}",
        ) from error


def _keras_file(path: Path) -> Any:
    backbone = _new()
    try:
        backbone.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise _not_resnet18(path, str(error).splitlines()[0]) from error
    return backbone


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise _not_resnet18(path, str(error).splitlines()[0]) from error
