"""`deepstack stream`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepstack.cli import options
from deepstack.cli.output import check_output
from deepstack.cli.quiet import quiet_import

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from deepstack.streaming.tally import Tally


def stream(
    artifact: options.ArtifactFolder,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Lines of candles, .gz too; standard input without.")
    ] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="ARTIFACT", help="Average its probabilities too; repeat it for several."),
    ] = None,
    fallback: Annotated[
        Path | None, typer.Option("--fallback", metavar="ARTIFACT", help="Answers while the main model cannot.")
    ] = None,
    deadline_ms: Annotated[
        float | None, typer.Option("--deadline-ms", help="The fallback answers then; counts as a failure.")
    ] = None,
    failures: Annotated[int, typer.Option("--failures", help="In a row, then the fallback answers.")] = 3,
    retry_s: Annotated[float, typer.Option("--retry-s", help="Rest before the main model is tried again.")] = 30.0,
    wait_s: Annotated[
        float, typer.Option("--wait-s", help="Longest wait for other symbols' bars, where features look at them.")
    ] = 5.0,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="SYMBOL", help="Symbols to expect; others are left out. Default: all."),
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="Symbol of lines that name none.")] = None,
    attention_symbols: Annotated[
        int,
        typer.Option("--attention-symbols", min=0, help="Whose keys and values a transformer keeps; 0: none."),
    ] = 1024,
    attention_s: Annotated[float, typer.Option("--attention-s", help="How long after a symbol's last bar.")] = 90_000.0,
    feature_tables: Annotated[
        int, typer.Option("--feature-tables", min=0, help="Kept for models that want the same features; 0: none.")
    ] = 16,
    feature_s: Annotated[float, typer.Option("--feature-s", min=0.0, help="How long such a table is kept.")] = 60.0,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help="File (.npz) to go on from and to keep.")
    ] = None,
) -> None:
    """Answer as candles close: closed bars in, a line each, answers out as lines of JSON.

    Lines are JSON objects or CSV with the columns of candle files. Late, repeated, revised, missing and malformed bars
    are handled by the rules of docs/streaming.md and counted; the counts and latencies stand on stderr at the end and
    at every SIGUSR1.

    \b
    Examples:
      feed | deepstack stream artifacts/my_run
      deepstack stream artifacts/my_run --data BTCUSDT-1m.csv --symbol BTCUSDT
      feed | deepstack stream artifacts/my_run --state stream.npz --wait-s 2
      feed | deepstack stream artifacts/deep --with artifacts/gru --with artifacts/cnn
      feed | deepstack stream artifacts/deep --fallback artifacts/small --deadline-ms 200
    """
    if state is not None:
        check_output(state, (".npz",), "--state")
    from deepstack.streaming.rules import Rules

    rules = Rules(wait_s, deadline_ms, failures, retry_s, attention_symbols, attention_s)
    with quiet_import():
        import deepstack.pipeline.predict as pipeline
        from deepstack.cli.warn import warn_if_unprofitable
        from deepstack.features.table import make_table
        from deepstack.pipeline.feature_cache import FeatureCache
        from deepstack.streaming.source import lines_of, open_candles
        from deepstack.streaming.stream import stream as answers
        from deepstack.streaming.tally import Tally

    tally = Tally()
    several = bool(others or fallback) and feature_tables > 0
    tables = FeatureCache(feature_tables, feature_s) if several else make_table
    main = pipeline.load(artifact, tables)
    warn_if_unprofitable(main.artifact)
    found = answers(
        main,
        lines_of(open_candles(data), "standard input" if data is None else str(data)),
        others=[pipeline.load(other, tables) for other in others or ()],
        fallback=None if fallback is None else pipeline.load(fallback, tables),
        rules=rules,
        symbols=expect or (),
        symbol=symbol,
        state=state,
        tally=tally,
        complain=lambda line: print("malformed:", line, file=sys.stderr),
    )
    _run(found, tally)


def _run(found: "AsyncIterator[dict[str, Any]]", tally: "Tally") -> None:
    """Print answers until the candles end, and the summary whenever it is asked for and at the end."""
    import asyncio
    import signal

    def summarise() -> None:
        print(tally.line(), file=sys.stderr, flush=True)

    async def print_all() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if hasattr(signal, "SIGUSR1") and task is not None:
            loop.add_signal_handler(signal.SIGUSR1, summarise)
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        async for answer in found:
            print(json.dumps(answer), flush=True)

    try:
        asyncio.run(print_all())
    except asyncio.CancelledError:  # SIGTERM, the end of a service
        return
    finally:
        summarise()
