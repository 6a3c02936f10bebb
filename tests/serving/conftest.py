"""Two versions of a small network, and a server that runs them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_server import Running, export, running


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a network, `1` and `2`, to be copied."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (1, 2):
        export(folder / str(number), seed=number)
    return folder


@pytest.fixture(scope="session")
def models(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: `net` with both versions, labels on each."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(versions, folder / "net")
    (folder / "models.config").write_text(
        'model_config_list { config { name: "net" base_path: "/models/net" model_platform: "tensorflow" '
        "model_version_policy { all {} } "
        'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } } }'
    )
    return folder


@pytest.fixture(scope="session")
def served(models: Path) -> Iterator[Running]:
    with running(models) as one:
        yield one
