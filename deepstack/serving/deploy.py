"""Everything around the models that a production user of TensorFlow Serving writes by hand otherwise, as one folder."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import deepstack
from deepstack.artifact.atomic import PART, disk_errors, write_atomic
from deepstack.artifact.load import Artifact
from deepstack.errors import ArtifactError
from deepstack.serving.models_config import MODELS_CONFIG, SERVED_AT, entry_of, read_models_config
from deepstack.serving.package import package_files
from deepstack.serving.publish import labels_in, publish, published_from
from deepstack.serving.request_record import artifact_sha256, saved_model
from deepstack.serving.session_config import SESSION_CONFIG

RECORD = ".deploy.json"
"""File in the folder with the sha256 of each file `deploy` wrote, so that one edited since is not overwritten."""
MODELS = "models"

IMAGE = "tensorflow/serving:2.20.0"
PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
LABELS = ("stable", "canary")
"""Of the first and second artifact of one name."""
CPUS = 2
GRPC_PORT, REST_PORT = 8500, 8501
METRICS_PATH = "/monitoring/prometheus/metrics"
USER = 10001

_TEMPLATES = {
    "docker-compose.yml": "docker-compose.yml.j2",
    "Dockerfile.server": "Dockerfile.server.j2",
    "Dockerfile.train": "Dockerfile.train.j2",
    ".dockerignore": "dockerignore.j2",
    "constraints.txt": "constraints.txt.j2",
    "batching_parameters.txt": "batching_parameters.txt.j2",
    "monitoring.config": "monitoring.config.j2",
    "session.config": "session.config.j2",
    "prometheus.yml": "prometheus.yml.j2",
    "kubernetes/kustomization.yaml": "kustomization.yaml.j2",
    "kubernetes/config.yaml": "config.yaml.j2",
    "kubernetes/models-claim.yaml": "models-claim.yaml.j2",
    "kubernetes/deployment-cpu.yaml": "deployment.yaml.j2",
    "kubernetes/deployment-gpu.yaml": "deployment.yaml.j2",
    "kubernetes/service.yaml": "service.yaml.j2",
    "kubernetes/service-headless.yaml": "service-headless.yaml.j2",
    "kubernetes/autoscaler.yaml": "autoscaler.yaml.j2",
    "kubernetes/disruption-budget.yaml": "disruption-budget.yaml.j2",
    "kubernetes/service-monitor.yaml": "service-monitor.yaml.j2",
}


@dataclass(frozen=True)
class Deployment:
    """What `deploy` has made.

    Attributes:
        folder: with every file.
        models: TensorFlow Serving's folder of models, in it or elsewhere.
        labels: model → label → version.
    """

    folder: Path
    models: Path
    labels: dict[str, dict[str, int]]


def deploy(artifacts: Sequence[Artifact], out: Path, models: Path | None = None) -> Deployment:
    """Write a deployment of one or several models; the same arguments give the same bytes.

    The artifacts are published to `<out>/models` unless `models` is given, the first of a name as `stable`, the second
    as `canary`. A folder that `deploy` wrote before is brought up to date; what is published there already stays.

    Args:
        artifacts: from `open_artifact`.
        out: a new or empty folder, or one of an earlier `deploy`.
        models: a folder of models these artifacts were published to.

    Raises:
        ArtifactError: `out` holds other files or edited ones, an artifact is named twice, more than two share a name,
            `models` lacks one of them, or the disk is full or read-only; a folder that was new is not left behind then.
    """
    labelled = _labelled(artifacts)
    if models is not None:
        _require_published(artifacts, models)
    for artifact in artifacts:
        saved_model(artifact)
    texts = _texts(labelled, out, models)
    _require_own(out, texts)
    fresh = not out.exists() or not any(out.iterdir())
    folder = out.absolute().with_name(f"{PART}{os.getpid()}-{out.name}") if fresh else out
    try:
        with disk_errors(out):
            folder.mkdir(parents=True, exist_ok=True)
            if models is None:
                _publish(labelled, folder / MODELS)
            _write(folder, texts, (models.absolute() if models else Path(MODELS)) / MODELS_CONFIG)
            if fresh:
                folder.rename(out)
    finally:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
    place = models or out / MODELS
    return Deployment(out, place, {name: labels_in(place, name) for name in sorted(labelled)})


def _labelled(artifacts: Sequence[Artifact]) -> dict[str, dict[str, Artifact]]:
    """Model → label → artifact."""
    found: dict[str, dict[str, Artifact]] = {}
    for artifact in artifacts:
        name = artifact.config.name
        own = found.setdefault(name, {})
        if artifact_sha256(artifact) in {artifact_sha256(other) for other in own.values()}:
            raise ArtifactError(
                str(artifact.folder), expected="each artifact once", received="twice", remedy="naming another as canary"
            )
        if len(own) == len(LABELS):
            raise ArtifactError(
                str(artifact.folder),
                expected=f"at most {len(LABELS)} artifacts named {name}: {' and '.join(LABELS)}",
                received=f"number {len(LABELS) + 1}",
                remedy="leaving one out; deepstack publish adds further versions",
            )
        own[LABELS[len(own)]] = artifact
    return found


def _require_published(artifacts: Sequence[Artifact], models: Path) -> None:
    config = read_models_config(models)
    for artifact in artifacts:
        if not published_from(artifact, models) or entry_of(config, artifact.config.name) is None:
            raise ArtifactError(
                str(models / artifact.config.name),
                expected=f"a version published from {artifact.folder}",
                received="none",
                remedy=f"deepstack publish {artifact.folder} {models} --label {LABELS[0]}",
            )


def _require_own(out: Path, texts: Mapping[str, str]) -> None:
    """Refuse a folder with anything in it that `deploy` did not write, or that was edited since."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ArtifactError(str(out), expected="a folder", received="a file", remedy="another --out")
    written = _written(out)
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        ours = written and name.split("/")[0] in (MODELS, RECORD, MODELS_CONFIG)
        if ours or path.is_dir():
            continue
        if name not in written:
            raise ArtifactError(
                str(path),
                expected="a new or empty folder, or one that `deepstack deploy` wrote",
                received="a file of somebody else",
                remedy="another --out",
            )
        if name in texts and hashlib.sha256(path.read_bytes()).hexdigest() != written[name]:
            raise ArtifactError(
                str(path),
                expected="the file as `deepstack deploy` wrote it",
                received="one that was edited",
                remedy="another --out, then carrying the edit over",
            )


def _written(out: Path) -> dict[str, str]:
    try:
        return dict(json.loads((out / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ArtifactError(str(out / RECORD), expected="JSON", received=str(error), remedy="another --out") from error


def _publish(labelled: Mapping[str, Mapping[str, Artifact]], models: Path) -> None:
    for name, own in sorted(labelled.items()):
        for label, artifact in own.items():
            taken = label in labels_in(models, name)  # a label that was moved since stays where it is
            if not published_from(artifact, models):
                publish(artifact, models, label=None if taken else label)


def _write(folder: Path, texts: Mapping[str, str], models_config: Path) -> None:
    record = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())}
    before = set(_written(folder))
    for name, text in {RECORD: json.dumps(record, indent=1) + "\n", **texts}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda part, text=text: part.write_text(text, encoding="utf-8"))  # type: ignore[misc]
    for name in before - set(texts):
        (folder / name).unlink(missing_ok=True)
    link = folder / MODELS_CONFIG
    link.unlink(missing_ok=True)
    link.symlink_to(models_config)


def _texts(labelled: Mapping[str, Mapping[str, Artifact]], out: Path, models: Path | None) -> dict[str, str]:
    """Path in the folder → text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # YAML and text; what may hold odd characters is quoted where it is made
    )
    facts = _facts(labelled, out, models)
    texts: dict[str, str] = {}
    for name, template in _TEMPLATES.items():
        texts[name] = environment.get_template(template).render(facts, gpu="gpu" in name)
    return texts | package_files()


def _facts(labelled: Mapping[str, Mapping[str, Artifact]], out: Path, models: Path | None) -> dict[str, Any]:
    """What the templates are filled with."""
    artifacts = [artifact for own in labelled.values() for artifact in own.values()]
    newest = max(artifacts, key=lambda artifact: (artifact.manifest.created, artifact.manifest.run))
    return {
        "version": deepstack.__version__,
        "image": IMAGE,
        "prometheus_image": PROMETHEUS_IMAGE,
        "ready_paths": _ready_paths(labelled, models),
        "models_dir": _mounted(f"./{MODELS}" if models is None else str(models.absolute())),
        "served_at": SERVED_AT,
        "arguments": _arguments(),
        "processor_arguments": (*_arguments(), "--tensorflow_session_config_file=/config/session.config"),
        "cpus": CPUS,
        "memory_gib": _memory_gib(artifacts),
        "grpc_port": GRPC_PORT,
        "rest_port": REST_PORT,
        "metrics_path": METRICS_PATH,
        "session_config": SESSION_CONFIG,
        "user": USER,
        "pinned": {
            name: made for name, made in newest.manifest.versions.items() if name not in ("python", "deepstack")
        },
        "python": ".".join(newest.manifest.versions["python"].split(".")[:2]),
    }


def _mounted(path: str) -> str:
    """A path in docker-compose.yml, which takes a dollar sign for a variable."""
    return json.dumps(path.replace("$", "$$"))


def _ready_paths(labelled: Mapping[str, Mapping[str, Artifact]], models: Path | None) -> list[str]:
    """What is asked for under `/v1/models/` to learn whether a server is ready.

    The metadata of each model's stable version, or of its newest where it has none: it is refused until that version is
    loaded, while the status answers for all versions, in any state, whatever label is asked for.
    """
    stable = LABELS[0]
    has_label = {name: models is None or stable in labels_in(models, name) for name in labelled}
    return [f"{name}/labels/{stable}/metadata" if has_label[name] else f"{name}/metadata" for name in labelled]


def _arguments() -> tuple[str, ...]:
    """Of `tensorflow_model_server`."""
    return (
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--model_config_file={SERVED_AT}/{MODELS_CONFIG}",
        "--model_config_file_poll_wait_seconds=30",
        # Else a server that starts with labels in its file refuses to start: nothing is loaded yet.
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        "--batching_parameters_file=/config/batching_parameters.txt",
        "--monitoring_config_file=/config/monitoring.config",
        # Else its pools have a thread for every processor of the machine, which a limit then holds back.
        f"--tensorflow_intra_op_parallelism={CPUS}",
        f"--tensorflow_inter_op_parallelism={CPUS}",
    )


def _memory_gib(artifacts: Sequence[Artifact]) -> int:
    """One GiB for the server and each SavedModel four times: file and graph, and both again while it is replaced."""
    files = (path for artifact in artifacts for path in saved_model(artifact).rglob("*") if path.is_file())
    return 1 + math.ceil(4 * sum(path.stat().st_size for path in files) / 2**30)
