"""Each channel of a window as Gramian images, and a ResNet18 that looks at them."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from deepstack.errors import ConfigError
from deepstack.gramian import FIELDS, Field
from deepstack.layers.gramian import GramianAngularField
from deepstack.models.heads import Head
from deepstack.models.image.resnet_weights import LayerWeights, first_kernel, read_resnet18
from deepstack.models.inputs import BASE
from deepstack.models.options import between, positive

FIRST_CONVOLUTION = "conv1_conv"
RESNET18 = (64, 128, 256, 512), (2, 2, 2, 2)
"""Filters and blocks of the four stages (He et al. 2016, Deep residual learning for image recognition, table 1)."""


@dataclass(frozen=True)
class GafResnet18Config:
    """Options of the network.

    Attributes:
        size: pixels a side; bars are averaged to it, or repeated where there are fewer.
        fields: which Gramian fields of each channel, `summation` and `difference`.
        joint: sizes of groups of channels, from the first, that share one minimum and maximum; each further channel
            has its own. [4] for open, high, low, close; [3] for body, upper_shadow, lower_shadow; [4, 3] for both.
        weights: none, imagenet, or the path of a file: a state dict of torchvision or timm as `.safetensors`, or Keras
            weights as `.weights.h5`. Stages 1 and 2 are frozen unless none.
        filters: of each stage; ResNet18's are the default.
        blocks: of each stage.
        units: of the dense layer.
        dropout: before the dense layer.
        dropout_after: after it.
    """

    size: int = 64
    fields: tuple[Field, ...] = FIELDS
    joint: tuple[int, ...] = ()
    weights: str = "none"
    filters: tuple[int, ...] = RESNET18[0]
    blocks: tuple[int, ...] = RESNET18[1]
    units: int = 128
    dropout: float = 0.5
    dropout_after: float = 0.3

    def __post_init__(self) -> None:
        positive(self, "size", "filters", "blocks", "units")
        if not self.fields:
            raise ValueError("fields: expected one or two, received none")
        if any(group < 1 for group in self.joint):
            raise ValueError(f"joint: expected groups of 1 or more, received {self.joint}")
        if len(self.filters) != len(self.blocks) or self.filters[0] != 64:
            raise ValueError(f"filters, blocks: expected as many of each, 64 filters first, received {self.filters}")
        if self.weights != "none" and (self.filters, self.blocks) != RESNET18:
            raise ValueError(f"weights: expected none for stages other than ResNet18's, received {self.weights}")
        between(self, 0.0, 1.0, "dropout", "dropout_after")


def build(inputs: Mapping[str, tuple[int, ...]], head: Head, config: GafResnet18Config) -> keras.Model:
    """Build the network: `{"features": (bars, channels)}`, or images (size, size, channels × fields) made before."""
    windows = len(inputs[BASE]) == 2
    if windows and sum(config.joint) > inputs[BASE][1]:
        raise ConfigError(
            "model.options.joint",
            expected=f"groups of the {inputs[BASE][1]} channels",
            received=f"{list(config.joint)}",
            remedy="fewer, or more of features.names",
        )

    # Layers
    seen = keras.Input(inputs[BASE], name=BASE)
    gramian = GramianAngularField(config.size, config.fields, config.joint, name="gramian")
    dense = keras.layers.Dense(config.units, name="dense")
    norm = keras.layers.BatchNormalization(name="norm")

    # Graph
    x = resnet(gramian(seen) if windows else seen, config)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = dense(keras.layers.Dropout(config.dropout, name="dropout_0")(x))
    x = norm(keras.layers.ReLU(name="relu")(x))
    x = keras.layers.Dropout(config.dropout_after, name="dropout_1")(x)
    return keras.Model({BASE: seen}, head.outputs(x), name="gaf_resnet18")


def resnet(images: keras.KerasTensor, config: GafResnet18Config) -> keras.KerasTensor:
    """keras-hub's ResNet on images of any number of channels, its layers laid into the caller's graph."""
    from keras_hub.models import ResNetBackbone

    backbone = ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=list(config.filters),
        stackwise_num_blocks=list(config.blocks),
        stackwise_num_strides=[1] + [2] * (len(config.filters) - 1),
        block_type="basic_block",
        image_shape=tuple(images.shape[1:]),
    )
    for layer in backbone.layers:
        if config.weights != "none" and layer.name.startswith(("stack0_", "stack1_")):
            layer.trainable = False
    return backbone.call(images)


def pretrained(inputs: Mapping[str, tuple[int, ...]], config: GafResnet18Config) -> LayerWeights:
    """Layer → weights the network of these inputs starts from; none without a file.

    Raises:
        ConfigError: the file is missing, or does not hold a ResNet18.
    """
    if config.weights == "none":
        return {}
    found = read_resnet18(config.weights)
    (rgb,) = found[FIRST_CONVOLUTION]
    shape = inputs[BASE]
    channels = shape[-1] * len(config.fields) if len(shape) == 2 else shape[-1]
    return {**found, FIRST_CONVOLUTION: [first_kernel(np.asarray(rgb), channels)]}
