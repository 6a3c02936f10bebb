"""SavedModels run by TensorFlow's C library alone, in a process without Python's TensorFlow."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("artifact") / "run_saved_model.py"


def signature_names(saved_model: Path, signature: str) -> dict[str, dict[str, str]]:
    """Names of a signature's tensors in the graph: `feeds` by input, `fetches` by output."""
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    found = proto.meta_graphs[0].signature_def[signature]
    sides = {"feeds": found.inputs, "fetches": found.outputs}
    return {side: {name: tensor.name for name, tensor in named.items()} for side, named in sides.items()}


RunByC = Callable[..., list[dict[str, dict[str, np.ndarray]]]]
"""SavedModel → signature → inputs and a ConfigProto in bytes, to signature → outputs of each SavedModel."""


@pytest.fixture
def run_by_c_library(tmp_path: Path) -> RunByC:
    """Runs SavedModels in one process without Python's TensorFlow."""

    def run(
        wanted: Mapping[Path, Mapping[str, Mapping[str, np.ndarray]]], config: bytes = b""
    ) -> list[dict[str, dict[str, np.ndarray]]]:
        jobs = []
        for number, (saved_model, asked) in enumerate(wanted.items()):
            calls = []
            for signature, inputs in asked.items():
                place = tmp_path / f"{number}_{signature}"
                np.savez(f"{place}_in.npz", **inputs)
                files = {"inputs": f"{place}_in.npz", "result": f"{place}_out.npz"}
                calls.append(signature_names(saved_model, signature) | files)
            jobs.append({"saved_model": str(saved_model), "calls": calls, "config": config.hex()})
        command = [sys.executable, "-I", str(PROGRAM), json.dumps(jobs)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results = [[dict(np.load(call["result"])) for call in job["calls"]] for job in jobs]
        return [dict(zip(asked, found, strict=True)) for asked, found in zip(wanted.values(), results, strict=True)]

    return run
