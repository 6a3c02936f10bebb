"""Very deep Keras models for candle data, judged honestly.

What the `deepstack` command does, as functions: `from deepstack import read_config, run`. A name is imported when it
is first asked for, so `import deepstack` itself loads neither TensorFlow nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from deepstack.artifact.load import open_artifact as open_artifact
    from deepstack.artifact.model import load_network as load_network
    from deepstack.audit.chain import audit_chain as audit_chain
    from deepstack.audit.function import audit_function as audit_function
    from deepstack.candles.load import inspect_files as inspect_files
    from deepstack.candles.load import read_market as read_market
    from deepstack.candles.synthetic import make_market as make_market
    from deepstack.config.read import read_config as read_config
    from deepstack.config.run import RunConfig as RunConfig
    from deepstack.errors import DeepstackError as DeepstackError
    from deepstack.features.table import latest_row as latest_row
    from deepstack.features.table import make_table as make_table
    from deepstack.labels.breakout import find_breakouts as find_breakouts
    from deepstack.models.catalogue import MODELS as MODELS
    from deepstack.models.catalogue import build as build
    from deepstack.models.catalogue import register as register
    from deepstack.models.entry import Model as Model
    from deepstack.pipeline.evaluate import evaluate as evaluate
    from deepstack.pipeline.explain import explain as explain
    from deepstack.pipeline.forecast import forecast as forecast
    from deepstack.pipeline.gaf import gaf as gaf
    from deepstack.pipeline.plan import plan as plan
    from deepstack.pipeline.predict import load as load
    from deepstack.pipeline.predict import predict as predict
    from deepstack.pipeline.predict_chunks import predict_chunks as predict_chunks
    from deepstack.pipeline.run import run as run
    from deepstack.serving.client import Client as Client
    from deepstack.serving.client import Where as Where
    from deepstack.serving.deploy import deploy as deploy
    from deepstack.serving.publish import publish as publish
    from deepstack.serving.server.serve import serve as serve
    from deepstack.streaming.remote import RemotePredictor as RemotePredictor
    from deepstack.streaming.stream import stream as stream
    from deepstack.studies.leaderboard import leaderboard as leaderboard
    from deepstack.studies.null_certificate import null_certificate as null_certificate
    from deepstack.studies.together import ensemble as ensemble
    from deepstack.tuning.hypermodel import HyperNetwork as HyperNetwork
    from deepstack.tuning.tune import tune as tune

_HOMES = {
    "Client": "deepstack.serving.client",
    "DeepstackError": "deepstack.errors",
    "HyperNetwork": "deepstack.tuning.hypermodel",
    "MODELS": "deepstack.models.catalogue",
    "Model": "deepstack.models.entry",
    "RemotePredictor": "deepstack.streaming.remote",
    "RunConfig": "deepstack.config.run",
    "Where": "deepstack.serving.client",
    "audit_chain": "deepstack.audit.chain",
    "audit_function": "deepstack.audit.function",
    "build": "deepstack.models.catalogue",
    "deploy": "deepstack.serving.deploy",
    "ensemble": "deepstack.studies.together",
    "evaluate": "deepstack.pipeline.evaluate",
    "explain": "deepstack.pipeline.explain",
    "find_breakouts": "deepstack.labels.breakout",
    "forecast": "deepstack.pipeline.forecast",
    "gaf": "deepstack.pipeline.gaf",
    "inspect_files": "deepstack.candles.load",
    "latest_row": "deepstack.features.table",
    "leaderboard": "deepstack.studies.leaderboard",
    "load": "deepstack.pipeline.predict",
    "load_network": "deepstack.artifact.model",
    "make_market": "deepstack.candles.synthetic",
    "make_table": "deepstack.features.table",
    "null_certificate": "deepstack.studies.null_certificate",
    "open_artifact": "deepstack.artifact.load",
    "plan": "deepstack.pipeline.plan",
    "predict": "deepstack.pipeline.predict",
    "predict_chunks": "deepstack.pipeline.predict_chunks",
    "publish": "deepstack.serving.publish",
    "read_config": "deepstack.config.read",
    "read_market": "deepstack.candles.load",
    "register": "deepstack.models.catalogue",
    "run": "deepstack.pipeline.run",
    "serve": "deepstack.serving.server.serve",
    "stream": "deepstack.streaming.stream",
    "tune": "deepstack.tuning.tune",
}

__all__ = [
    "MODELS",
    "Client",
    "DeepstackError",
    "HyperNetwork",
    "Model",
    "RemotePredictor",
    "RunConfig",
    "Where",
    "__version__",
    "audit_chain",
    "audit_function",
    "build",
    "deploy",
    "ensemble",
    "evaluate",
    "explain",
    "find_breakouts",
    "forecast",
    "gaf",
    "inspect_files",
    "latest_row",
    "leaderboard",
    "load",
    "load_network",
    "make_market",
    "make_table",
    "null_certificate",
    "open_artifact",
    "plan",
    "predict",
    "predict_chunks",
    "publish",
    "read_config",
    "read_market",
    "register",
    "run",
    "serve",
    "stream",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'deepstack' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
