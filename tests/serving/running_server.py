"""Small servables of real networks, and a server on free ports that runs them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from deepstack.artifact.export import Decision, export_saved_model
from deepstack.models import catalogue
from deepstack.models.heads import binary_head
from deepstack.serving.server.serve import Options, Server

FEATURES = 6
NAMES = [f"feature_{number}" for number in range(FEATURES)]


def export(folder: Path, seed: int = 1) -> None:
    """Write one version of a small network; another seed is another network."""
    keras.utils.set_random_seed(seed)
    options = {"width": 8, "res_blocks_per_unit": [2], "dense_blocks_per_unit": [1], "attention_scales": [1]}
    model = catalogue.build("ultimate", {"features": (FEATURES,)}, binary_head(), options)
    ones = np.ones(FEATURES)
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_, scaler.var_, scaler.n_features_in_ = 0.1 * ones, 1.5 * ones, 2.25 * ones, FEATURES
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -8 * ones, "a_max": 8 * ones})
    scales = {"features": Pipeline([("clip", clip), ("standardise", scaler)])}
    decision = Decision(scales, binary_head(), np.array([[0.6, 0.4]]), (0.5,))
    examples = {"features": np.random.default_rng(0).normal(size=(4, FEATURES)).astype(np.float32)}
    part = folder.with_name(f".part-{folder.name}")
    export_saved_model(part, model, decision, examples, "net", features=NAMES)
    part.rename(folder)


@dataclass
class Running:
    """A server in a thread of its own."""

    server: Server
    loop: asyncio.AbstractEventLoop

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.server.rest_port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.server.grpc_port}"

    def do(self, work: Any) -> Any:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)


@contextmanager
def running(folder: Path, *, more: Any = None, **options: Any) -> Iterator[Running]:
    """Serve a folder for the length of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def make() -> Server:
        server = Server(folder, Options(rest_port=0, grpc_port=0, poll_s=0.1, **options), more)
        await server.start()
        return server

    one = Running(asyncio.run_coroutine_threadsafe(make(), loop).result(120), loop)
    try:
        yield one
    finally:
        one.do(one.server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
