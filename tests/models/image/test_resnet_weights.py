"""Pretrained weights: each layout from a file made here, two channels from three, what is frozen and refused."""

from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
from keras_hub.models import ResNetBackbone
from safetensors.numpy import save_file

from deepstack.errors import ConfigError
from deepstack.models import catalogue
from deepstack.models.image._gaf_options import GafResnet18Config
from deepstack.models.image._resnet_weights import first_kernel, read_resnet18, torch_names
from deepstack.models.image.gaf_resnet18 import pretrained
from deepstack.models.inputs import BASE
from deepstack.pipeline.beginning import with_weights

WINDOW = {BASE: (20, 1)}


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """A ResNet18 of three channels whose every weight is random, statistics too."""
    model = ResNetBackbone([64], [7], [64, 128, 256, 512], [2, 2, 2, 2], [1, 2, 2, 2], "basic_block")
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.01, 0.1, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def state(backbone: keras.Model) -> dict[str, np.ndarray]:
    """The same weights as torch lays them out: [filters, channels, height, width], and a classifier nobody asks for."""
    found = {"fc.weight": np.zeros((1000, 512), np.float32), "bn1.num_batches_tracked": np.array(7)}
    for layer, keys in torch_names().items():
        for key, value in zip(keys, backbone.get_layer(layer).get_weights(), strict=True):
            found[key] = np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value)
    return found


def test_the_names_are_torchvisions(state: dict[str, np.ndarray]) -> None:
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.bn2.running_var"].shape == (512,)
    assert sum(value.size for key, value in state.items() if not key.startswith(("fc", "bn1.num"))) == 11_186_112


@pytest.mark.parametrize("layout", ["torchvision", "module.", "keras"])
def test_each_layout_gives_every_layer_its_weights(
    layout: str, backbone: keras.Model, state: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / ("resnet18.weights.h5" if layout == "keras" else "resnet18.safetensors")
    if layout == "keras":
        backbone.save_weights(path)
    else:
        prefix = layout if layout.endswith(".") else ""
        save_file({prefix + key: value for key, value in state.items()}, path)
    found = read_resnet18(str(path))
    for layer in backbone.layers:
        for ours, theirs in zip(found.get(layer.name, []), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert set(found) == set(torch_names())


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_grey_images_of_other_channels_meet_the_same_response(channels: int) -> None:
    random = np.random.default_rng(1)
    rgb, grey = (
        random.normal(size=(7, 7, 3, 4)).astype(np.float32),
        random.normal(size=(1, 20, 20, 1)).astype(np.float32),
    )
    wanted = keras.ops.conv(np.repeat(grey, 3, axis=-1), rgb)
    found = keras.ops.conv(np.repeat(grey, channels, axis=-1), first_kernel(rgb, channels))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_network_starts_from_the_file_with_its_first_stages_frozen(
    state: dict[str, np.ndarray], tmp_path: Path
) -> None:
    save_file(state, tmp_path / "r.safetensors")
    options = {"weights": str(tmp_path / "r.safetensors")}
    network = with_weights(
        catalogue.build("gaf_resnet18", WINDOW, options=options), pretrained(WINDOW, GafResnet18Config(**options))
    )
    np.testing.assert_array_equal(
        network.get_layer("stack2_block0_1_conv").kernel, state["layer3.0.conv1.weight"].transpose(2, 3, 1, 0)
    )
    assert network.get_layer("conv1_conv").kernel.shape == (7, 7, 2, 64)
    trainable = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert (round(trainable / 1e6, 1), round(network.count_params() / 1e6, 1)) == (10.6, 11.2)
    frozen = {layer.name.split("_")[0] for layer in network.layers if layer.weights and not layer.trainable}
    assert frozen == {"stack0", "stack1"}
    scratch = catalogue.build("gaf_resnet18", WINDOW)
    assert all(layer.trainable for layer in scratch.layers)


def test_without_a_file_nothing_is_loaded() -> None:
    assert pretrained(WINDOW, GafResnet18Config()) == {}


def test_what_is_no_resnet18_is_refused_with_a_remedy(state: dict[str, np.ndarray], tmp_path: Path) -> None:
    save_file(
        {key: value for key, value in state.items() if key != "layer3.1.conv2.weight"}, tmp_path / "a.safetensors"
    )
    save_file({**state, "conv1.weight": np.zeros((64, 3, 3, 3), np.float32)}, tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"nothing")
    (tmp_path / "d.weights.h5").write_bytes(b"nothing")
    (tmp_path / "e.pth").write_bytes(b"nothing")
    told = {
        "a.safetensors": "no layer3.1.conv2.weight",
        "b.safetensors": r"conv1.weight of shape \(64, 3, 3, 3\)",
        "c.safetensors": "the weights of a ResNet18",
        "d.weights.h5": "the weights of a ResNet18",
        "e.pth": "a .safetensors or .weights.h5 file",
        "f.safetensors": "no such file",
    }
    for name, message in told.items():
        with pytest.raises(ConfigError, match=message):
            read_resnet18(str(tmp_path / name))


def test_offline_the_remedy_is_told() -> None:
    with (
        mock.patch.object(ResNetBackbone, "from_preset", side_effect=ConnectionError("no name")),
        pytest.raises(ConfigError, match=r"a connection to fetch it.*safetensors"),
    ):
        read_resnet18("imagenet")


def test_weights_are_for_the_stages_of_resnet18_alone() -> None:
    with pytest.raises(ValueError, match="ResNet18"):
        GafResnet18Config(filters=(64,), blocks=(1,), weights="imagenet")
