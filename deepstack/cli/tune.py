"""`deepstack tune`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deepstack.cli import options
from deepstack.cli.extra import require_extra
from deepstack.cli.output import check_folder
from deepstack.cli.progress import show_progress
from deepstack.cli.quiet import quiet_import
from deepstack.config.read import read_config
from deepstack.errors import DeepstackError

if TYPE_CHECKING:
    from deepstack.tuning.outcome import Outcome
    from deepstack.tuning.study import Study


def tune(
    config: options.Config,
    data: options.Data = None,
    set_: options.Overrides = None,
    trials: Annotated[int, typer.Option("--trials", min=1, max=100_000, help="At most.")] = 50,
    tuner: Annotated[
        Literal["bayesian", "hyperband", "random", "grid", "optuna"],
        typer.Option("--tuner", help="What proposes trials; all but optuna are Keras Tuner's."),
    ] = "bayesian",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the search; searches/NAME by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in that folder.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=0, max=1024, help="Trials at a time on this machine.")] = 1,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="After which no trial is begun.")] = float("inf"),
    against: Annotated[
        Literal["none", "latency", "size"], typer.Option("--against", help="optuna: a second objective to keep small.")
    ] = "none",
    storage: Annotated[str, typer.Option("--storage", metavar="URL", help="optuna: a database that is shared.")] = "",
    artifacts: Annotated[Path, typer.Option("--artifacts", metavar="DIR", help="Folder for the winner.")] = Path(
        "artifacts"
    ),
) -> None:
    """Search a model's space.

    Every trial is the mean over purged walk-forward folds before the test slice. The best is written as a config and
    run once; only then is the test slice opened. Leaves trials.csv, search.html, plots, best.yaml and an artifact.
    With KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT in the environment it is the chief or a
    worker of a search over many machines (docs/tuning.md).

    \b
    Examples:
      deepstack tune configs/ultimate.yaml --data candles/ --trials 12 --tuner hyperband
      deepstack tune configs/transformer.yaml --data BTCUSDT-1h.csv --trials 50 --workers 2 --out searches/btc
      deepstack tune configs/transformer.yaml --data BTCUSDT-1h.csv --trials 50 --out searches/btc --resume
      deepstack tune configs/gru.yaml --data candles/ --tuner optuna --against latency --minutes 60
    """
    require_extra("tune", "tune", "keras_tuner", "optuna")
    settings = read_config(config, set_ or (), data or ())
    folder = out or Path("searches") / settings.name
    check_folder(folder)
    check_folder(artifacts, "--artifacts")
    with quiet_import():
        from deepstack.tuning.page import TABLE_HEAD, table_line, winner_sentences
        from deepstack.tuning.search import Hands
        from deepstack.tuning.study import Study
        from deepstack.tuning.tune import tune as run_search

    study = Study(settings, folder, tuner, trials, against, storage)
    role = os.environ.get("KERASTUNER_TUNER_ID", "")
    if role and "chief" not in role:
        _work(study, role)
        return
    _require_fresh(folder, resume)
    hands = Hands(workers, _address() if role else "127.0.0.1:0", minutes, artifacts)
    head = iter([TABLE_HEAD])

    def tell(one: "Outcome", best: "Outcome | None") -> None:
        print(*head, table_line(one, best), sep="\n", flush=True)

    with show_progress() as progress:
        found = run_search(study, hands, told=tell, progress=progress)
    print("\n".join(winner_sentences(found)))
    print(f"config: {folder / 'best.yaml'}")
    print(f"search: {folder / 'search.html'}")
    print(f"artifact: {found['artifact']}")


def _work(study: "Study", role: str) -> None:
    """Be a worker of a chief on another machine, which has made the search's folder on a disk both see."""
    from deepstack.tuning.space import require_space
    from deepstack.tuning.workers import work

    study.require()
    require_space(study.config)
    work(study, _address(), role)


def _address() -> str:
    host, port = (os.environ.get(f"KERASTUNER_ORACLE_{name}", "") for name in ("IP", "PORT"))
    if not host or not port.isdecimal():
        raise DeepstackError(
            "KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT",
            expected="the chief's address beside KERASTUNER_TUNER_ID",
            received=f"{host}:{port}",
            remedy="setting both",
        )
    return f"{host}:{port}"


def _require_fresh(folder: Path, resume: bool) -> None:
    known = (folder / "study.json").exists()
    if known and not resume:
        raise DeepstackError(
            f"--out {folder}",
            expected="a new folder",
            received="one that holds a search",
            remedy="--resume to go on with it, or another --out",
        )
    if resume and not known:
        raise DeepstackError(
            f"--out {folder}", expected="a folder that holds a search", received="none", remedy="leaving --resume out"
        )
