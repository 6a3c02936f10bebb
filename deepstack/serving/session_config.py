"""How TensorFlow runs a served graph: a session's ConfigProto, the same file for TensorFlow Serving and our server."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow.core.protobuf.config_pb2 import ConfigProto

from deepstack.errors import DeepstackError

SESSION_CONFIG = """\
# An answer is a chain of small operations: one thread that runs them one after the other is done sooner than several
# that hand each next one over. Products of matrices still share the processors. Take this out for GPUs, for graphs
# of TensorFlow 1 with conditions or loops, which this executor does not know, and for large batches through wide
# networks, as an ensemble's members, which are answered sooner without it.
experimental { executor_type: "SINGLE_THREADED_EXECUTOR" }

# An exported graph is simplified already: after one pass of the optimizers that matter to a forward pass on processors
# it is loaded sooner and no slower.
graph_options {
  rewrite_options {
    meta_optimizer_iterations: ONE
    disable_tfg_optimizer: true
    layout_optimizer: OFF
    shape_optimization: OFF
    memory_optimization: NO_MEM_OPT
  }
}
"""
"""What `deploy` ships and our server takes by default; measured by `python benchmarks/executor.py`."""


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
