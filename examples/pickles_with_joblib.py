"""Open the two pickles with plain joblib: `python examples/pickles_with_joblib.py artifacts/<run>`.

Needs joblib and scikit-learn; not deepstack. A pickle runs code when it is opened, so check its bytes first, as here,
and open only artifacts you trust: the manifest stands beside the pickle and would be changed with it.
"""

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np


def main(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    run = manifest["config"]["name"]

    def opened(file: str) -> Any:
        data = (folder / file).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest["files"][file]:
            raise SystemExit(f"{folder / file}: not the bytes the run wrote; not opened")
        return joblib.load(io.BytesIO(data))

    scaler, threshold = opened(f"{run}_scaler.pkl"), opened(f"{run}_threshold.pkl")
    for value in np.atleast_1d(threshold):  # one number, or a list, one a horizon
        print(f"threshold {value:.6f}")
    features = np.zeros((1, len(manifest["features"])), np.float32)  # one bar's, unscaled; of a window, a row a bar
    for name, each in (scaler if isinstance(scaler, dict) else {"features": scaler}).items():
        print(f"scaled {name} {each.transform(features)[0, :3]}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python examples/pickles_with_joblib.py artifacts/<run>")
    main(Path(sys.argv[1]))
