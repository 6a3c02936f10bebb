"""`deepstack audit`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepstack.artifact.atomic import write_atomic
from deepstack.cli import market as candles
from deepstack.cli import options
from deepstack.cli.output import check_output
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.config.read import read_config
from deepstack.config.run import RunConfig
from deepstack.errors import DeepstackError
from deepstack.progress import Progress

if TYPE_CHECKING:
    from deepstack.candles.market import Market
    from deepstack.candles.repair import RepairMode


def audit(
    subject: Annotated[Path, typer.Argument(metavar="CONFIG|ARTIFACT", help="YAML file, or folder of a finished run.")],
    data: options.Data = None,
    set_: options.Overrides = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows checked one by one, over all symbols.")] = 2000,
    link: Annotated[
        list[str] | None, typer.Option("--link", metavar="NAME", help="Look at this link alone; repeat it for several.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the findings as JSON too.")] = None,
    repair: options.Repair = None,
) -> None:
    """Verify that nothing looks ahead.

    Replaces the future by noise, by a constant and by nothing, row by row, and demands that features, windows, answers,
    decisions and the exported model's outputs stay as they are; checks labels, slices, scalers, thresholds and fills.
    Exit code 1 when a link leaks.

    \b
    Examples:
      deepstack audit configs/ultimate.yaml --data candles/
      deepstack audit artifacts/lstm-20260101-000000 --data BTCUSDT-1m.csv.gz --rows 5000
    """
    if out is not None:
        check_output(out, (".json",))
    artifact = subject.is_dir()
    if artifact and set_:
        raise DeepstackError(
            "--set", expected="none with an artifact, which is as it is", received=set_[0], remedy="leaving it out"
        )
    settings = None if artifact else read_config(subject, set_ or (), data or ())
    if artifact and not data:
        raise DeepstackError("--data", expected="candles", received="none", remedy="--data PATH")
    with quiet_import():
        from deepstack.audit.chain import audit_chain

    with show_progress() as progress:
        market = _market(subject, settings, data, repair, progress)
        found = audit_chain(
            subject if settings is None else settings, market, rows=rows, links=link or (), progress=progress
        )
    print("\n".join(found.lines()))
    if out is not None:
        text = json.dumps(asdict(found), indent=2) + "\n"
        write_atomic(out, lambda part: part.write_text(text, encoding="utf-8"))
    if found.leaks:
        raise typer.Exit(1)


def _market(
    subject: Path,
    settings: RunConfig | None,
    data: list[Path] | None,
    repair: "RepairMode | None",
    progress: Progress,
) -> "Market":
    if settings is None:
        from deepstack.artifact.load import open_artifact

        return candles.read(data or [], open_artifact(subject).config.data, repair, progress)
    from deepstack.pipeline.market import load_source

    if repair is not None:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"repair": repair})})
    return load_source(settings, progress).market
