"""Importing TensorFlow without the lines it prints on stderr before its own log level applies."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_import() -> Iterator[None]:
    """Hold back what native code writes to stderr while the block imports; show it all if the import fails.

    The devices are listed inside too, where TensorFlow complains of absent GPU drivers; that does not start its
    runtime yet, so a distribution strategy can still be made. DEEPSTACK_DEBUG=1 holds nothing back.
    """
    if os.environ.get("DEEPSTACK_DEBUG") == "1":
        yield
        return
    with tempfile.TemporaryFile() as held:
        try:
            with _stderr_into(held.fileno()):
                yield
                if "tensorflow" in sys.modules:
                    sys.modules["tensorflow"].config.list_physical_devices()
                    # Its advice on retracing is for loops; a study builds one network after another.
                    logging.getLogger("tensorflow").setLevel(logging.ERROR)
        except BaseException:
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise


@contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """Send file descriptor 2 elsewhere for the block: C++ does not ask Python's `sys.stderr`."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        os.dup2(descriptor, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
