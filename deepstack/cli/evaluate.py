"""`deepstack evaluate`."""

import json

from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import


def evaluate(artifact: options.ArtifactFolder, data: options.RequiredData, repair: options.Repair = None) -> None:
    """Judge an artifact on other candles.

    Prints the metrics as JSON; nothing is written into the artifact.

    \b
    Examples:
      deepstack evaluate artifacts/ultimate_deep_advanced-20260101-120000 --data new_candles/
      deepstack evaluate artifacts/my_run --data BTCUSDT-1h.csv --repair drop > metrics.json
    """
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifact)
    with quiet_import():
        from deepstack.pipeline.evaluate import evaluate as evaluate_artifact

    with show_progress() as progress:
        market = candles.read(data, opened.config.data, repair, progress)
        metrics = evaluate_artifact(artifact, market)
    print(json.dumps(metrics, indent=2))
