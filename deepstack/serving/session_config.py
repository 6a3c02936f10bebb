"""How TensorFlow runs a served graph: a session's ConfigProto, the same file for TensorFlow Serving and our server."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow.core.protobuf.config_pb2 import ConfigProto

from deepstack.errors import DeepstackError

SESSION_CONFIG = """\
# A prediction of one bar is a chain of small operations: it is done sooner by one thread that runs them one after the
# other than by threads that hand each next one over. A product of matrices still shares all cores.
experimental { executor_type: "SINGLE_THREADED_EXECUTOR" }
"""
"""What `deploy` ships and our server takes by default; measured in docs/serving.md."""


def read_session_config(path: Path | None = None) -> ConfigProto:
    """The file, or what is shipped where there is none.

    Raises:
        DeepstackError: it cannot be read, or is no ConfigProto as text protobuf.
    """
    try:
        text = SESSION_CONFIG if path is None else path.read_text(encoding="utf-8")
        return text_format.Parse(text, ConfigProto())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise DeepstackError(
            str(path),
            expected="a tensorflow.ConfigProto as text protobuf",
            received=str(error),
            remedy="mending it, or leaving the option out",
        ) from error
