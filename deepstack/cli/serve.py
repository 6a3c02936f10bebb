"""`deepstack serve`."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepstack.cli.extra import require_extra
from deepstack.cli.quiet import quiet_import
from deepstack.errors import DeepstackError

if TYPE_CHECKING:
    from deepstack.serving.server.serve import Server

TOKEN = "DEEPSTACK_TOKEN"


def serve(
    models_dir: Annotated[
        Path, typer.Argument(metavar="MODELS_DIR", help="A folder a model, in it a numbered folder a version.")
    ],
    rest_port: Annotated[int, typer.Option("--rest-port", min=0, max=65535, help="0 takes a free one.")] = 8501,
    grpc_port: Annotated[int, typer.Option("--grpc-port", min=0, max=65535, help="0 takes a free one.")] = 8500,
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 listens to all the world: set a token then.")
    ] = "127.0.0.1",
    poll_s: Annotated[float, typer.Option("--poll-s", min=0.05, help="Between looks for new versions.")] = 1.0,
    max_batch_size: Annotated[int, typer.Option("--max-batch-size", min=1, help="Rows a call; 1 joins nothing.")] = 64,
    batch_timeout_ms: Annotated[
        float, typer.Option("--batch-timeout-ms", min=0.0, help="Waiting for others; 0 only while the model works.")
    ] = 0.0,
    max_enqueued_rows: Annotated[int, typer.Option("--max-enqueued-rows", min=1, help="More are refused.")] = 4096,
    max_request_mb: Annotated[int, typer.Option("--max-request-mb", min=1, help="Larger ones are refused.")] = 64,
    session_config: Annotated[
        Path | None, typer.Option("--session-config", help="ConfigProto as text: how TensorFlow runs the models.")
    ] = None,
    cache_mb: Annotated[int, typer.Option("--cache-mb", min=0, help="Room for answers that are kept; 0: none.")] = 0,
    cache_ttl_s: Annotated[float, typer.Option("--cache-ttl-s", min=0.0, help="How long an answer is kept.")] = 60.0,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="PEM file: TLS for both protocols.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="PEM file of its private key.")] = None,
    product: Annotated[
        Path | None,
        typer.Option("--product", metavar="ARTIFACT", help="Answer for candles too, at /predictions/deep_learning."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Keep its answers and their outcomes.")
    ] = None,
    feature_tables: Annotated[
        int, typer.Option("--feature-tables", min=0, help="Kept for those who ask about the same candles; 0: none.")
    ] = 16,
    feature_s: Annotated[float, typer.Option("--feature-s", min=0.0, help="How long such a table is kept.")] = 60.0,
) -> None:
    """Serve published models over REST and gRPC.

    TensorFlow Serving's protocol for machines without Docker: versions and labels, new versions without a failed
    request, requests joined into batches, metrics for Prometheus. A bearer token in DEEPSTACK_TOKEN is asked of every
    request. Ends on SIGTERM or Ctrl-C after answering what it was asked.

    \b
    Examples:
      deepstack publish artifacts/ultimate-20260101-120000 models
      deepstack serve models
      deepstack serve models --product artifacts/my_run --record answers.jsonl
      DEEPSTACK_TOKEN=secret deepstack serve models --host 0.0.0.0 --certificate server.pem --key server.key
    """
    require_extra("serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    _require(models_dir, certificate, key)
    with quiet_import():
        from deepstack.serving.server.batching import Batching
        from deepstack.serving.server.serve import Options
        from deepstack.serving.server.serve import serve as run_server
        from deepstack.serving.session_config import read_session_config

    batching = Batching(max_batch_size, batch_timeout_ms, max_enqueued_rows)
    options = Options(
        host=host,
        rest_port=rest_port,
        grpc_port=grpc_port,
        poll_s=poll_s,
        batching=batching,
        most_bytes=max_request_mb * 2**20,
        certificate=certificate,
        key=key,
        token=os.environ.get(TOKEN, ""),
        session=read_session_config(session_config),
        cache_bytes=cache_mb * 2**20,
        cache_ttl_s=cache_ttl_s,
    )
    more = None
    if product is not None:
        with quiet_import():
            from deepstack.cli.warn import warn_if_unprofitable
            from deepstack.features.table import make_table
            from deepstack.pipeline.feature_cache import FeatureCache
            from deepstack.pipeline.predict import load
            from deepstack.streaming.routes import DeepLearning, make_routes

        tables = FeatureCache(feature_tables, feature_s) if feature_tables else make_table
        predictor = load(product, tables)
        warn_if_unprofitable(predictor.artifact)
        deep = DeepLearning(predictor, record)
        deep.warm()
        more = make_routes(deep, options.most_bytes)
    asyncio.run(run_server(models_dir, options, partial(_tell, product=product), more))


def _tell(server: "Server", product: Path | None) -> None:
    host = server.options.host
    for name, versions in server.models.loaded.items():
        for number, version in versions.items():
            print(f"model {name} version {number}: {version.state}{f' {version.error}' if version.error else ''}")
    for name, versions in server.models.gone.items():
        for number, version in versions.items():
            print(f"model {name} version {number}: {version.error}")
    print(f"REST http{'s' if server.options.certificate else ''}://{host}:{server.rest_port}", flush=True)
    for name in server.models.loaded:
        print(f"  /v1/models/{name}  /v1/models/{name}:predict")
    if product is not None:
        print("  /predictions/deep_learning  /forecasts/deep_learning  /outcomes/deep_learning  /metrics/deep_learning")
    print(f"gRPC {host}:{server.grpc_port}", flush=True)


def _require(models_dir: Path, certificate: Path | None, key: Path | None) -> None:
    if not models_dir.is_dir():
        raise DeepstackError(
            str(models_dir), expected="a folder of models", received="none", remedy="deepstack publish ARTIFACT into it"
        )
    if (certificate is None) != (key is None):
        raise DeepstackError(
            "--certificate and --key", expected="both or neither", received="one of them", remedy="giving the other"
        )
    for path in (certificate, key):
        if path is not None and not path.is_file():
            raise DeepstackError(str(path), expected="a PEM file", received="none", remedy="another path")
