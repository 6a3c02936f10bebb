"""deepstack's own source, for the build context of an image."""

from pathlib import Path

import deepstack
from deepstack.errors import ArtifactError

PACKAGE = "package"
_BESIDE = ("pyproject.toml", "README.md")


def package_files() -> dict[str, str]:
    """Path under the build context → text, of everything `pip install` needs.

    Raises:
        ArtifactError: this deepstack is an installed copy without its project file.
    """
    source = Path(deepstack.__file__).parent
    for name in _BESIDE:
        if not (source.parent / name).is_file():
            raise ArtifactError(
                str(source.parent / name),
                expected="the project file beside deepstack's source, for the images' build context",
                received="none: an installed copy",
                remedy="running from a checkout, installed with pip install -e",
            )
    own = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = [*(source.parent / name for name in _BESIDE), *sorted(own)]
    return {f"{PACKAGE}/{path.relative_to(source.parent).as_posix()}": path.read_text("utf-8") for path in files}
