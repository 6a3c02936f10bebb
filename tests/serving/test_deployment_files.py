"""The files of a deployment, parsed by the rules of the programs that read them."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    "tensorflow_session_config_file",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
}


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def manifests(made: Path) -> dict[str, Any]:
    return {path.stem: loaded(path) for path in sorted((made / "kubernetes").glob("*.yaml"))}


def test_the_config_map_holds_the_same_files(made: Path) -> None:
    data = manifests(made)["config"]["data"]
    for name in ("batching_parameters.txt", "monitoring.config", "session.config"):
        assert data[name].strip() == (made / name).read_text().strip()


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
    # The executor of one thread, which the session's file asks for, knows no GPU.
    assert set(flags) == FLAGS - ({"tensorflow_session_config_file"} if where == "deployment-gpu" else set())
    assert flags["model_config_file"] == "/models/models.config"
    # Without it a server with labels in its file does not start (tensorflow/serving, server_core.cc).
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    asked = {value for value in flags.values() if value.startswith("/config/")}
    assert len(asked) == len(flags.keys() & {flag for flag in FLAGS if flag.endswith("_file")}) - 1
    if where == "compose":
        assert asked == mounted(made, "tensorflow-serving") & {f"/config/{path.name}" for path in made.iterdir()}
    else:
        assert asked <= {f"/config/{name}" for name in manifests(made)["config"]["data"]}


def test_our_own_server_runs_as_the_session_s_file_says(made: Path) -> None:
    command = loaded(made / "docker-compose.yml")["services"]["server"]["command"]
    file = command[command.index("--session-config") + 1]
    assert file in mounted(made, "server")
    assert (made / Path(file).name).is_file()


def mounted(made: Path, service: str) -> set[str]:
    """Where a service of docker-compose.yml sees what."""
    return {volume["target"] for volume in loaded(made / "docker-compose.yml")["services"][service]["volumes"]}


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
