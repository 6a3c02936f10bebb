"""A network on a server gives the table that it gives here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from running_server import running

from deepstack.artifact.load import open_artifact
from deepstack.serving.client import Client, NotFoundError, ServerError, Where
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


@pytest.mark.parametrize("pinned", [None, 1])
def test_a_version_that_leaves_between_two_parts_is_asked_no_more(
    artifact: Callable[[str], Path], predictor: Callable[[str], Any], gappy: Any, pinned: int | None
) -> None:
    wanted, asked = predictor("bar").predict(gappy(900)), []

    def answer(model: str, inputs: dict[str, np.ndarray], *, version: int) -> dict[str, np.ndarray]:
        asked.append(version)
        if asked == [1, 1]:
            client.require_features.return_value = 2
            raise NotFoundError("server", expected="an answer", received="none", remedy="another version")
        return {"probability": np.full(len(inputs["features"]), version / 4)}

    client = mock.Mock(predict=answer, require_features=mock.Mock(return_value=1))
    remote = RemotePredictor(artifact("bar"), client, version=pinned, batch_rows=-(-len(wanted) // 3))
    if pinned is None:
        np.testing.assert_array_equal(remote.predict(gappy(900))["probability"], 0.5)
        assert asked == [1, 1, 2, 2, 2]
    else:
        with pytest.raises(NotFoundError):
            remote.predict(gappy(900))
