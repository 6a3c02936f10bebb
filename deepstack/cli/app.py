"""The `deepstack` command: its sub-commands, and the one place where an error becomes a line and an exit code."""

import errno
import os
import sys
from typing import Annotated, NoReturn

import typer

from deepstack import __version__
from deepstack.cli import (
    audit,
    certify,
    data,
    deploy,
    ensemble,
    evaluate,
    explain,
    features,
    forecast,
    gaf,
    leaderboard,
    models,
    plan,
    predict,
    publish,
    run,
    serve,
    stream,
    tune,
)
from deepstack.cli.plugin import import_plugin
from deepstack.errors import DeepstackError

_OUTPUT_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}

app = typer.Typer(
    name="deepstack",
    help="Very deep Keras models for candle data, judged honestly and exported for TensorFlow Serving.\n\n"
    "Exit codes: 0 done, 1 look-ahead found by `audit`, 2 something to mend (one line on stderr), "
    "130 interrupted or not confirmed. DEEPSTACK_DEBUG=1 adds the traceback.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--plugin",
            metavar="FILE_OR_MODULE",
            help="Python to import first, which registers models of your own; repeat it for several.",
        ),
    ] = None,
) -> None:
    for name in plugin or ():
        import_plugin(name)


app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("data")(data.data)
app.command("features")(features.features)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("stream")(stream.stream)
app.command("explain")(explain.explain)
app.command("gaf")(gaf.gaf)
app.command("ensemble")(ensemble.ensemble)
app.command("audit")(audit.audit)
app.command("certify")(certify.certify)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("serve")(serve.serve)
app.command("tune")(tune.tune)
app.command("forecast")(forecast.forecast)
app.command("publish")(publish.publish)
app.command("deploy")(deploy.deploy)
app.command("models")(models.models)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command (`sys.argv` by default) and exit: 0 done, 2 user error, 130 interrupted."""
    _quieten_tensorflow()
    try:
        try:
            app(arguments, prog_name="deepstack")
        finally:
            print(end="", flush=True)  # here and not at Python's exit, where a full disk is a traceback
    except DeepstackError as error:
        _refuse(error)
    except OSError as error:
        if error.errno not in _OUTPUT_REFUSED or error.filename is not None:  # files have names, streams have none
            raise
        _refuse_output(error)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _refuse(error: DeepstackError) -> NoReturn:
    if os.environ.get("DEEPSTACK_DEBUG") == "1":
        raise error
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)


def _refuse_output(error: OSError) -> NoReturn:
    # What is still in the buffer would fail once more at Python's exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # whoever read it has seen enough
        sys.exit(1)
    _refuse(
        DeepstackError(
            "standard output",
            expected="a place that can be written",
            received=str(error.strerror).lower(),
            remedy="freeing space or another place",
        )
    )


def _quieten_tensorflow() -> None:
    """Settings TensorFlow and Keras read once, at their import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # A ~/.keras/keras.json that names another backend would leave the TensorFlow parts without theirs.
    os.environ["KERAS_BACKEND"] = "tensorflow"
