"""`deepstack publish`."""

from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli import options
from deepstack.cli.quiet import quiet_import
from deepstack.errors import DeepstackError


def publish(
    artifact: options.ArtifactFolder,
    models_dir: Annotated[
        Path, typer.Argument(metavar="MODELS_DIR", help="TensorFlow Serving's folder of models; made where missing.")
    ],
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="Record it for this version in models.config.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="Give the label to this published version; copy nothing."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="Remove all but the newest N versions and the labelled ones."),
    ] = None,
    served_at: Annotated[
        str,
        typer.Option("--served-at", metavar="PATH", help="Where the server sees MODELS_DIR, for a model new to it."),
    ] = "/models",
) -> None:
    """Put an artifact's model where TensorFlow Serving finds it, under the next version number.

    The artifact is verified and its SavedModel copied to MODELS_DIR/<name>/<number> in one step for a reader; numbers
    are never used twice. MODELS_DIR/models.config lists the model, and the label if one is given; a running server
    reads it again by itself. Prints the version.

    \b
    Examples:
      deepstack publish artifacts/my_run models/
      deepstack publish artifacts/my_run models/ --label canary
      deepstack publish artifacts/my_run models/ --label stable --version 2
      deepstack publish artifacts/my_run models/ --label canary --keep 3
    """
    if version is not None and (label is None or keep is not None):
        raise DeepstackError(
            f"--version {version}",
            expected="--label beside it, and no --keep",
            received="no --label" if label is None else "--keep",
            remedy=f"--label stable --version {version}",
        )
    if not served_at.startswith("/") and "://" not in served_at:
        raise DeepstackError(
            f"--served-at {served_at}",
            expected="an absolute path or a URL, as TensorFlow Serving asks for",
            received=repr(served_at),
            remedy="--served-at /models",
        )
    from deepstack.artifact.load import open_artifact

    opened = open_artifact(artifact)
    with quiet_import():
        from deepstack.serving.publish import label_published
        from deepstack.serving.publish import publish as publish_artifact

    if label is not None and version is not None:
        done = label_published(opened, models_dir, label=label, version=version)
    else:
        done = publish_artifact(opened, models_dir, label=label, keep=keep, served_at=served_at)
    named = f" ({label})" if label else ""
    print(f"version {done.version}{named}: {done.folder}")
    if done.removed:
        print(f"removed: {', '.join(map(str, done.removed))}")
