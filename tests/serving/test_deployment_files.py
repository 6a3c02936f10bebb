"""The files of a deployment, parsed by the rules of the programs that read them."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from jsonschema.validators import validator_for

from deepstack.artifact.load import Artifact

ROOT = Path(__file__).resolve().parents[2]
METRICS = "/monitoring/prometheus/metrics"

FLAGS = {  # of tensorflow_model_server, that a deployment may use
    "port",
    "rest_api_port",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "allow_version_labels_for_unavailable_models",
    "enable_batching",
    "batching_parameters_file",
    "monitoring_config_file",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
}
CUSTOM = ("Kustomization", "ServiceMonitor")
"""Kinds that are not Kubernetes' own."""
RELEASES = ("1.28.0", "1.37.0")
INT64, BOOL, STRING, MESSAGE = 3, 8, 9, 11  # numbers of descriptor.proto


def message_of(name: str, messages: dict[str, dict[str, tuple[int, int | str, bool]]]) -> Any:
    """The class of one of some messages, each field → (number, type or message name, repeated).

    No Python package that deepstack needs has these two of TensorFlow Serving's .proto files.
    """
    file = descriptor_pb2.FileDescriptorProto(name="documented.proto", package="documented", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    for message, fields in messages.items():
        added = file.message_type.add(name=message)
        for field, (number, kind, repeated) in fields.items():
            made = added.field.add(name=field, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                made.type, made.type_name = MESSAGE, f".{kind}"
            else:
                made.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"documented.{name}"))()


def batching_parameters() -> Any:
    """tensorflow_serving/servables/tensorflow/session_bundle_config.proto."""
    wrapped = "google.protobuf.Int64Value"
    fields = {
        "max_batch_size": (1, wrapped, False),
        "batch_timeout_micros": (2, wrapped, False),
        "max_enqueued_batches": (3, wrapped, False),
        "num_batch_threads": (4, wrapped, False),
        "thread_pool_name": (5, "google.protobuf.StringValue", False),
        "allowed_batch_sizes": (6, INT64, True),
        "pad_variable_length_inputs": (7, BOOL, False),
    }
    return message_of("BatchingParameters", {"BatchingParameters": fields})


def monitoring_config() -> Any:
    """tensorflow_serving/config/monitoring_config.proto."""
    prometheus = {"enable": (1, BOOL, False), "path": (2, STRING, False)}
    whole = {"prometheus_config": (1, "documented.PrometheusConfig", False)}
    return message_of("MonitoringConfig", {"PrometheusConfig": prometheus, "MonitoringConfig": whole})


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def manifests(made: Path) -> dict[str, Any]:
    return {path.stem: loaded(path) for path in sorted((made / "kubernetes").glob("*.yaml"))}


def test_batching_and_monitoring_are_what_tensorflow_serving_parses(made: Path) -> None:
    batching = text_format.Parse((made / "batching_parameters.txt").read_text(), batching_parameters())
    assert batching.batch_timeout_micros.value == 0  # a request alone does not wait
    assert batching.max_batch_size.value >= 32
    assert batching.num_batch_threads.value == 2
    monitoring = text_format.Parse((made / "monitoring.config").read_text(), monitoring_config())
    assert (monitoring.prometheus_config.enable, monitoring.prometheus_config.path) == (True, METRICS)
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch_sizes { value: 1 }", batching_parameters())


def test_the_config_map_holds_the_same_files(made: Path) -> None:
    data = manifests(made)["config"]["data"]
    for name in ("batching_parameters.txt", "monitoring.config"):
        assert data[name].strip() == (made / name).read_text().strip()


def test_compose_files_follow_the_published_schema(made: Path) -> None:
    schema = json.loads(
        resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    checker = validator_for(schema)(schema)
    files = sorted(made.glob("docker-compose*.yml"))
    assert files
    for file in files:
        compose = loaded(file)
        assert not [error.message for error in checker.iter_errors(compose)]
        broken = compose | {"services": {"x": {"imagine": "y"}}}
        assert list(checker.iter_errors(broken))


@pytest.mark.parametrize("release", RELEASES)
def test_manifests_follow_the_published_schemas(made: Path, release: str) -> None:
    own = [manifest for manifest in manifests(made).values() if manifest["kind"] not in CUSTOM]
    assert len(own) >= 6
    for manifest in own:
        kubernetes_validate.validate(manifest, release, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(own[0] | {"metadata": {"nam": "x"}}, release, strict=True)


def test_compose_is_complete_and_closed(made: Path) -> None:
    compose = loaded(made / "docker-compose.yml")
    assert set(compose) == {"services", "volumes"}
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        for volume in service["volumes"]:
            source = made / volume["source"]
            assert volume["type"] == "volume" or (volume["read_only"] and source.exists()), volume
    serving = compose["services"]["tensorflow-serving"]
    assert serving["image"] == "tensorflow/serving:2.20.0"
    assert serving["environment"] == {"TF_ENABLE_ONEDNN_OPTS": "0"}
    assert "profiles" not in serving
    assert compose["services"]["server"]["profiles"] == ["server"]
    assert (made / compose["services"]["server"]["volumes"][0]["source"] / "models.config").is_file()
    assert (made / compose["services"]["server"]["build"]["dockerfile"]).is_file()


def arguments_of(made: Path, where: str) -> list[str]:
    if where == "compose":
        return loaded(made / "docker-compose.yml")["services"]["tensorflow-serving"]["command"]
    return manifests(made)[where]["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize("where", ["compose", "deployment-cpu", "deployment-gpu"])
def test_the_server_gets_flags_it_knows_and_files_that_are_mounted(made: Path, where: str) -> None:
    flags = dict(argument.removeprefix("--").split("=") for argument in arguments_of(made, where))
    assert set(flags) == FLAGS
    assert flags["model_config_file"] == "/models/models.config"
    # Without it a server with labels in its file does not start (tensorflow/serving, server_core.cc).
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    for flag in ("batching_parameters_file", "monitoring_config_file"):
        assert (made / Path(flags[flag]).name).is_file()
        assert Path(flags[flag]).parent == Path("/config")


def test_every_manifest_has_the_fields_kubernetes_asks_for(made: Path) -> None:
    versions = {
        "Kustomization": "kustomize.config.k8s.io/v1beta1",
        "ConfigMap": "v1",
        "PersistentVolumeClaim": "v1",
        "Service": "v1",
        "Deployment": "apps/v1",
        "HorizontalPodAutoscaler": "autoscaling/v2",
        "PodDisruptionBudget": "policy/v1",
        "ServiceMonitor": "monitoring.coreos.com/v1",
    }
    found = manifests(made)
    assert {manifest["kind"] for manifest in found.values()} == set(versions)
    for name, manifest in found.items():
        assert manifest["apiVersion"] == versions[manifest["kind"]], name
        if manifest["kind"] != "Kustomization":
            assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"]), name


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_a_pod_is_probed_limited_and_unprivileged(made: Path, variant: str) -> None:
    spec = manifests(made)[f"deployment-{variant}"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "tensorflow/serving:2.20.0" + ("-gpu" if variant == "gpu" else "")
    assert {"name": "TF_ENABLE_ONEDNN_OPTS", "value": "0"} in container["env"]
    assert container["livenessProbe"]["tcpSocket"]["port"] == "grpc"
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"grpc": 8500, "http": 8501}
    resources = container["resources"]
    assert (
        set(resources["requests"])
        == set(resources["limits"])
        == {"cpu", "memory"} | ({"nvidia.com/gpu"} if variant == "gpu" else set())
    )
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/models", "/config", "/tmp"}


def test_names_and_selectors_agree(made: Path) -> None:
    found = manifests(made)
    cpu, gpu = found["deployment-cpu"], found["deployment-gpu"]
    labels = cpu["spec"]["template"]["metadata"]["labels"]
    assert cpu["metadata"] == gpu["metadata"]
    for each in (cpu, gpu, found["disruption-budget"]):
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for service in (found["service"], found["service-headless"]):
        assert service["spec"]["selector"].items() <= labels.items()
        names = {port["name"] for port in cpu["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    assert found["service-headless"]["spec"]["clusterIP"] == "None"
    target = found["autoscaler"]["spec"]["scaleTargetRef"]
    assert target == {key: cpu[key] for key in ("apiVersion", "kind")} | {"name": cpu["metadata"]["name"]}
    assert 1 < found["autoscaler"]["spec"]["minReplicas"] < found["autoscaler"]["spec"]["maxReplicas"]
    volumes = {volume["name"]: volume for volume in cpu["spec"]["template"]["spec"]["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == found["models-claim"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == found["config"]["metadata"]["name"]


def test_prometheus_finds_the_metrics(made: Path) -> None:
    found = manifests(made)
    annotations = found["deployment-cpu"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8501",
        "prometheus.io/path": METRICS,
    }
    monitor, service = found["service-monitor"]["spec"], found["service"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    # The headless service has the same pods: chosen as well it would count them twice.
    assert not monitor["selector"]["matchLabels"].items() <= found["service-headless"]["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["path"] == METRICS
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    jobs = {job["job_name"]: job for job in loaded(made / "prometheus.yml")["scrape_configs"]}
    assert jobs["tensorflow-serving"]["metrics_path"] == METRICS
    (target,) = jobs["tensorflow-serving"]["static_configs"][0]["targets"]
    assert target.split(":")[0] in loaded(made / "docker-compose.yml")["services"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_it(made: Path) -> None:
    command = ["kubectl", "kustomize", str(made / "kubernetes")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout)]
    assert kinds.count("Deployment") == 1
    assert len(kinds) == 7


@pytest.mark.parametrize(("name", "extras"), [("server", "serve"), ("train", "boost,tune")])
def test_dockerfiles_install_the_package_and_drop_root(made: Path, name: str, extras: str) -> None:
    text = (made / f"Dockerfile.{name}").read_text()
    steps = re.findall(r"^([A-Z]+) ((?:[^\n]*\\\n)*[^\n]*)", text, re.MULTILINE)
    kinds = [kind for kind, _ in steps]
    assert kinds[0] == "FROM"
    assert dict(steps)["FROM"] == "python:3.11-slim"
    copied = [step.split()[0] for kind, step in steps if kind == "COPY"]
    assert all((made / source).exists() for source in copied)
    (install,) = (step for kind, step in steps if kind == "RUN")
    assert f'"/build/package[{extras}]"' in install
    assert "--constraint /build/constraints.txt" in install
    user = int(dict(steps)["USER"].split(":")[0])
    assert user > 0
    assert f"--uid {user}" in install
    assert kinds.index("USER") > kinds.index("RUN")
    assert json.loads(dict(steps)["ENTRYPOINT"])[0] == "deepstack"


def test_the_build_context_holds_all_of_the_package(made: Path) -> None:
    for path in (ROOT / "deepstack").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (made / "package" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    assert (made / "package" / "pyproject.toml").read_bytes() == (ROOT / "pyproject.toml").read_bytes()
    assert not list((made / "package").rglob("__pycache__"))


def test_what_the_newest_artifact_was_made_with_is_pinned(made: Path, other: Artifact) -> None:
    pins = dict(line.split("==") for line in (made / "constraints.txt").read_text().splitlines() if line[:1] != "#")
    made_with = {key: value for key, value in other.manifest.versions.items() if key not in ("python", "deepstack")}
    assert pins == made_with
    assert "scikit-learn" in pins


@contextmanager
def answering(answers: dict[str, int]) -> Iterator[int]:
    """A server on this machine with a status for each path; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(answers.get(self.path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("where", ["compose", "startupProbe", "readinessProbe"])
def test_the_probe_waits_for_the_stable_version(made: Path, where: str) -> None:
    if where == "compose":
        service = loaded(made / "docker-compose.yml")["services"]["tensorflow-serving"]
        command = [part.replace("$$", "$") for part in service["healthcheck"]["test"][1:]]
    else:
        pod = manifests(made)["deployment-cpu"]["spec"]["template"]["spec"]
        command = pod["containers"][0][where]["exec"]["command"]

    def passes(port: int) -> bool:
        real = [part.replace("/8501", f"/{port}") for part in command]
        return subprocess.run(real, capture_output=True, timeout=20, check=False).returncode == 0

    ready = "/v1/models/tiny/labels/stable/metadata"
    for answers, good in (({ready: 200}, True), ({ready: 404}, False), ({"/v1/models/tiny": 200}, False)):
        with answering(answers) as port:
            assert passes(port) is good, answers
    assert not passes(port)  # nobody listens any more
