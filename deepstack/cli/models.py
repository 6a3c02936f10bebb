"""`deepstack models`."""

from deepstack.cli.quiet import quiet_import


def models() -> None:
    """List the models a config can name.

    Layers and parameters are those of each model's default options with 250 features, windows of 64 bars and a binary
    output. Field: bars that one step of the trunk sees. Causal: no step sees a later one. Options: docs/models.md.

    \b
    Examples:
      deepstack models
    """
    with quiet_import():
        from deepstack.pipeline.models import STEP_NOTE, model_rows

    rows = [("model", "layers", "parameters", "field", "causal", "step ms", "what it is")]
    for row in model_rows():
        field = f"{row.receptive_field or 'all'}" if row.sees != "bar" else "1"
        step = "" if row.step_ms is None else f"{row.step_ms:,.0f}"
        sizes = (f"{row.layers:,}", f"{row.parameters:,}", field, "yes" if row.causal else "", step)
        rows.append((row.name, *sizes, row.summary))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for name, *cells, summary in rows:
        right = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        print(f"{name:<{widths[0]}}  {right}  {summary}")
    print(STEP_NOTE)
