"""`deepstack deploy`."""

from pathlib import Path
from typing import Annotated

import typer

from deepstack.cli.output import check_folder
from deepstack.cli.quiet import quiet_import


def deploy(
    artifacts: Annotated[
        list[Path],
        typer.Argument(metavar="ARTIFACT...", help="Folders of finished runs; a second of one name is its canary."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder, or one `deploy` wrote before.")] = Path(
        "deploy"
    ),
    models_dir: Annotated[
        Path | None,
        typer.Option(
            "--models-dir", metavar="PATH", help="Folder these artifacts were published to; none: DIR/models."
        ),
    ] = None,
) -> None:
    """Write what runs models in production, with TensorFlow Serving or deepstack's own server.

    DIR gets docker-compose.yml, two Dockerfiles, kubernetes/*.yaml, models.config, batching_parameters.txt,
    monitoring.config, session.config, prometheus.yml and, unless --models-dir is given, models/ with the artifacts
    published.

    \b
    Examples:
      deepstack deploy artifacts/my_run
      deepstack deploy artifacts/my_run artifacts/my_new_run
      deepstack deploy artifacts/my_run --out /srv/serving --models-dir /srv/models

    \b
    Then, in DIR:
      docker compose up -d
      kubectl apply -k kubernetes
    """
    check_folder(out)
    from deepstack.artifact.load import open_artifact

    opened = [open_artifact(artifact) for artifact in artifacts]
    with quiet_import():
        from deepstack.serving.deploy import deploy as write_deployment

    made = write_deployment(opened, out, models_dir)
    for name, labels in made.labels.items():
        versions = ", ".join(f"{label} is version {version}" for label, version in labels.items())
        print(f"{name}: {versions or 'no labels'}")
    print(f"deployment: {made.folder}")
