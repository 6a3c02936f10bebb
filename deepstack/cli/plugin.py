"""`deepstack --plugin my_model.py …`: Python of the user's own, imported before the command runs."""

import importlib
import importlib.util
import sys
from pathlib import Path

from deepstack.cli.quiet import quiet_import
from deepstack.errors import ConfigError, DeepstackError


def import_plugin(name: str) -> None:
    """Import a `.py` file, or a module by its dotted name; what it registers is known from then on.

    Raises:
        ConfigError: it cannot be imported.
    """
    try:
        with quiet_import():
            _import_file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except DeepstackError:
        raise
    except Exception as error:
        raise ConfigError(
            f"--plugin {name}",
            expected="a Python file or module that can be imported",
            received=f"{type(error).__name__}: {error}",
            remedy="mending it, or DEEPSTACK_DEBUG=1 for the traceback",
        ) from error


def _import_file(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module they are defined in
    sys.path.insert(0, str(path.resolve().parent))  # as `python my_model.py` has it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
