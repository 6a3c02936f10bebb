"""`deepstack models`."""

from deepstack.cli.quiet import quiet_import


def models() -> None:
    """List the models a config can name.

    Layers and parameters are those of each model's default options with 250 features and one binary output.

    \b
    Examples:
      deepstack models
    """
    with quiet_import():
        from deepstack.pipeline.models import model_rows

    rows = [("model", "layers", "parameters", "what it is")]
    rows += [(row.name, f"{row.layers:,}", f"{row.parameters:,}", row.summary) for row in model_rows()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, layers, parameters, summary in rows:
        print(f"{name:<{widths[0]}}  {layers:>{widths[1]}}  {parameters:>{widths[2]}}  {summary}")
