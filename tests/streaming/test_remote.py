"""A network on a server gives the table that it gives here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from running_server import running

from deepstack.artifact.load import open_artifact
from deepstack.serving.client import Client, ServerError, Where
from deepstack.serving.publish import publish
from deepstack.streaming.remote import RemotePredictor

KINDS = {"bar": ("grpc", 900), "convolution": ("rest", 330), "decoder": ("grpc", 900)}


@pytest.mark.slow
def test_remote_answers_are_the_local_ones(
    artifact: Callable[[str], Path], predictor: Callable[[str], Any], gappy: Any, tmp_path: Path
) -> None:
    for kind in KINDS:
        publish(open_artifact(artifact(kind)), tmp_path)
    with running(tmp_path) as served:
        for kind, (protocol, bars) in KINDS.items():
            address = served.grpc if protocol == "grpc" else served.rest.removeprefix("http://")
            client = Client(Where(address, protocol), deadline_s=60.0)
            remote = RemotePredictor(artifact(kind), client, batch_rows=50)
            wanted = predictor(kind).predict(gappy(bars))
            assert len(wanted) > 50
            pd.testing.assert_frame_equal(remote.predict(gappy(bars)), wanted, atol=1e-5, rtol=0.0)
            client.close()
        client = Client(Where(served.grpc))
        with pytest.raises(ServerError, match="features in this order, received feature_list_"):
            RemotePredictor(artifact("bar"), client, model="convolution")
        client.close()
