"""`deepstack models`."""

from deepstack.cli.quiet import quiet_import

WIDTHS = (6, 10, 10, 5, 6, 7)
"""Of the columns between name and summary."""


def models() -> None:
    """List the models a config can name.

    Layers and parameters are those of each model's default options with 250 features, windows of 64 bars and a binary
    output. Sees: one bar, a window of them, or a window in each timeframe. Field: bars that one step of the trunk sees.
    Causal: no step sees a later one. Options: docs/models.md.

    \b
    Examples:
      deepstack models
    """
    with quiet_import():
        from deepstack.models.catalogue import MODELS
        from deepstack.pipeline.models import STEP_NOTE, model_rows

    name_width = max(map(len, MODELS))

    def show(name: str, *cells: str) -> None:
        *sizes, summary = cells
        right = "  ".join(f"{cell:>{width}}" for cell, width in zip(sizes, WIDTHS, strict=True))
        print(f"{name:<{name_width}}  {right}  {summary}", flush=True)  # a row as soon as it is counted

    show("model", "layers", "parameters", "sees", "field", "causal", "step ms", "what it is")
    for row in model_rows():
        field, causal = f"{row.receptive_field or 'all'}", "yes" if row.causal else ""
        step = "" if row.step_ms is None else f"{row.step_ms:,.0f}"
        show(row.name, f"{row.layers:,}", f"{row.parameters:,}", row.sees, field, causal, step, row.summary)
    print(STEP_NOTE)
