"""What an artifact's report says of its thresholds: did they earn anything where they were chosen?"""

import json

from deepstack.artifact.load import Artifact


def unprofitable(opened: Artifact) -> tuple[str, ...]:
    """Outputs, named as in `labels.horizons.lengths` or `won`, whose threshold earned nothing on validation."""
    test = json.loads((opened.folder / "report.json").read_text(encoding="utf-8"))["test"]
    blocks = {"won": test} if "validation" in test else {name.removeprefix("h"): test[name] for name in test}
    return tuple(name for name, block in blocks.items() if block["validation"]["expectancy_r"] <= 0.0)
