"""`models.config`: which models TensorFlow Serving loads and which version each label names."""

import re
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from deepstack.errors import ArtifactError

MODELS_CONFIG = "models.config"
SERVED_AT = "/models"
"""Where TensorFlow Serving's own image looks for models."""

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")


def read_models_config(folder: Path) -> ModelServerConfig:
    """`<folder>/models.config`, or an empty one where there is none.

    Raises:
        ArtifactError: it is no such text protobuf, or lists its models in another way.
    """
    path = folder / MODELS_CONFIG
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), ModelServerConfig())
    except FileNotFoundError:
        return ModelServerConfig()
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ArtifactError(
            str(path),
            expected="a ModelServerConfig as text protobuf",
            received=str(error),
            remedy="mending the line, or moving the file away",
        ) from error
    if config.WhichOneof("config") not in (None, "model_config_list"):
        raise ArtifactError(
            str(path), expected="model_config_list", received="custom_model_config", remedy="another folder of models"
        )
    return config


def entry_of(config: ModelServerConfig, name: str) -> ModelConfig | None:
    """The entry of one model."""
    return next((entry for entry in config.model_config_list.config if entry.name == name), None)


def listed(config: ModelServerConfig, name: str, served_at: str = SERVED_AT) -> ModelConfig:
    """The entry of one model, added where it is missing; one that stands there keeps its path.

    Args:
        served_at: where the server sees the folder of models.
    """
    found = entry_of(config, name)
    if found is None:
        base_path = f"{served_at.rstrip('/')}/{name}"
        found = config.model_config_list.config.add(name=name, base_path=base_path, model_platform="tensorflow")
    return found


def set_label(entry: ModelConfig, label: str, version: int) -> None:
    """Let a label name a version, and all versions in the folder be loaded.

    TensorFlow Serving refuses to move a label to a version it has not loaded, and refuses the rest of the file with it.
    Under a policy that lists versions one by one the new version would therefore never be loaded.

    Raises:
        ArtifactError: the entry has such a policy, or one that drops labelled versions.
    """
    policy = entry.model_version_policy.WhichOneof("policy_choice")
    if policy not in (None, "all"):
        raise ArtifactError(
            f"{MODELS_CONFIG}, {entry.name}",
            expected="model_version_policy { all {} }, under which labels can move",
            received=policy,
            remedy="removing that policy; deepstack publish --keep bounds the number of versions",
        )
    entry.model_version_policy.all.SetInParent()
    entry.version_labels[label] = version


def check_label(label: str) -> None:
    """Refuse a label that could not stand in a URL.

    Raises:
        ArtifactError: it begins with something other than a letter, or holds other characters.
    """
    if not _LABEL.fullmatch(label):
        raise ArtifactError(
            f"--label {label}",
            expected="a letter, then letters, digits or any of _ . -",
            received=repr(label),
            remedy="--label canary",
        )


def to_text(config: ModelServerConfig) -> str:
    """The text protobuf, with its labels in alphabetical order."""
    return text_format.MessageToString(config)
