"""`deepstack plan`."""

from deepstack.cli import options
from deepstack.cli.quiet import quiet_import
from deepstack.config.read import read_config


def plan(config: options.Config, data: options.Data = None, set_: options.Overrides = None) -> None:
    """Say what a run would cost.

    Layers, parameters, FLOPs a sample, memory, training steps and their time, from a few trial steps; nothing is kept.

    \b
    Examples:
      deepstack plan configs/ultimate.yaml
      deepstack plan configs/ultimate_billion.yaml --set training.batch_size=8
    """
    settings = read_config(config, set_ or (), data or ())
    with quiet_import():
        from deepstack.pipeline.plan import plan as plan_run

    for line in plan_run(settings).lines():
        print(line)
