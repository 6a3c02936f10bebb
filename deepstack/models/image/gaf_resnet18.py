"""Each channel of a window as Gramian images, and a ResNet18 that looks at them."""

from collections.abc import Mapping

import keras
import numpy as np

from deepstack.errors import ConfigError
from deepstack.layers.gramian import GramianAngularField
from deepstack.models.heads import Head
from deepstack.models.image._gaf_options import GafResnet18Config
from deepstack.models.image._resnet_weights import LayerWeights, first_kernel, read_resnet18
from deepstack.models.inputs import BASE

FIRST_CONVOLUTION = "conv1_conv"


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
    return backbone._run_through_graph(images, operation_fn=lambda layer: layer)


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
