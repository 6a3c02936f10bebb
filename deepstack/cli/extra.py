"""Commands whose packages are an extra of deepstack's."""

from importlib.util import find_spec

from deepstack.errors import ConfigError


def require_extra(command: str, extra: str, *packages: str) -> None:
    """Refuse a command whose packages are not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(
                f"deepstack {command}",
                expected=f"{package} installed",
                received="none",
                remedy=f"pip install 'deepstack[{extra}]'",
            )
