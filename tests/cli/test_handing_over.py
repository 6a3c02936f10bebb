"""What commands of studies and of serving hand on: every flag arrives where it belongs, and the defaults are safe."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorflow.core.protobuf.config_pb2 import ConfigProto

from deepstack.cli.app import main
from deepstack.config.folds import FoldsConfig
from deepstack.pipeline.feature_cache import FeatureCache
from deepstack.serving.server import serve as serve_module
from deepstack.serving.server.batching import Batching
from deepstack.serving.server.serve import Options
from deepstack.streaming import routes
from deepstack.studies import leaderboard as board_module
from deepstack.studies import null_certificate as certificate_module
from deepstack.studies import page
from deepstack.studies import together as together_module

CONFIG = "name: {name}\nmodel: {{name: sequential, options: {{layers: 5}}}}\n"


@pytest.fixture
def configs(tmp_path: Path) -> list[str]:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(CONFIG.format(name=name))
    return [str(tmp_path / f"{name}.yaml") for name in ("one", "two")]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What the studies and the server were asked; none of them is run."""
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def study(*arguments: Any, **more: Any) -> dict[str, Any]:
        found.append((arguments, more))
        return {"worlds": {}}

    async def server(*arguments: Any, **more: Any) -> None:
        found.append((arguments, more))

    monkeypatch.setattr(board_module, "leaderboard", study)
    monkeypatch.setattr(certificate_module, "null_certificate", study)
    monkeypatch.setattr(serve_module, "serve", server)
    for name in ("summary_lines", "markdown_lines"):
        monkeypatch.setattr(page, name, lambda report: [])
    monkeypatch.setattr("deepstack.evaluation.certificate.sentences", lambda report: ["said"])
    return found


def done(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_leaderboard(calls: list, configs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, artifacts = tmp_path / "board", tmp_path / "arts"
    scheme = ["--scheme", "combinatorial", "--groups", "7", "--test-groups", "3", "--folds", "4", "--seeds", "1, 9"]
    where = ["--workers", "3", "--backend", "dask", "--out", str(out), "--artifacts", str(artifacts)]
    assert done("leaderboard", *configs, "--set", "training.epochs=4", *scheme, *where) == 0
    (((settings, given), more),) = calls
    assert [one.name for one in settings] == ["one", "two"] and settings[1].training.epochs == 4
    assert given == out
    assert more["folds"] == FoldsConfig(scheme="combinatorial", count=4, groups=7, test_groups=3)
    assert (more["seeds"], more["workers"], more["backend"]) == ((1, 9), 3, "dask")
    assert more["artifacts"] == artifacts
    assert f"leaderboard: {out / 'leaderboard.html'}" in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["1,1", "a", "", "-3"])
def test_seeds_that_are_none_are_refused(seeds: str, calls: list, configs: list[str], tmp_path: Path) -> None:
    assert done("leaderboard", *configs, "--seeds", seeds, "--out", str(tmp_path / "b")) == 2
    assert not calls


def test_certify(calls: list, configs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "null"
    how = ["--reruns", "5", "--minutes", "2.5", "--workers", "2", "--backend", "ray", "--out", str(out)]
    assert done("certify", configs[0], *how, "--artifacts", str(tmp_path / "arts")) == 0
    (((config, given), more),) = calls
    assert (config.name, given) == ("one", out)
    more.pop("progress")
    assert more == {"reruns": 5, "minutes": 2.5, "workers": 2, "backend": "ray", "artifacts": tmp_path / "arts"}
    assert capsys.readouterr().out.startswith("said\n")


def test_serve_listens_to_this_machine_alone_unless_told(calls: list, tmp_path: Path) -> None:
    assert done("serve", str(tmp_path)) == 0
    (((folder, options, _, more), _),) = calls
    assert folder == tmp_path and more is None
    assert options == Options() and options.host == "127.0.0.1"


def test_serve(calls: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = tmp_path / "server.pem", tmp_path / "server.key"
    for path in pair:
        path.write_text("x")
    monkeypatch.setenv("DEEPSTACK_TOKEN", "secret")
    (tmp_path / "session.config").write_text("intra_op_parallelism_threads: 3")
    ports = ["--rest-port", "0", "--grpc-port", "9", "--host", "0.0.0.0", "--poll-s", "3"]
    batch = ["--max-batch-size", "5", "--batch-timeout-ms", "1.5", "--max-enqueued-rows", "77"]
    room = ["--max-request-mb", "3", "--cache-mb", "2", "--cache-ttl-s", "9"]
    files = ["--certificate", str(pair[0]), "--key", str(pair[1]), "--session-config", str(tmp_path / "session.config")]
    assert done("serve", str(tmp_path), *ports, *batch, *room, *files) == 0
    (((_, options, _, _), _),) = calls
    assert options == Options(
        host="0.0.0.0",
        rest_port=0,
        grpc_port=9,
        poll_s=3.0,
        batching=Batching(max_batch_size=5, batch_timeout_ms=1.5, max_enqueued_rows=77),
        most_bytes=3 * 2**20,
        certificate=pair[0],
        key=pair[1],
        token="secret",
        session=ConfigProto(intra_op_parallelism_threads=3),
        cache_bytes=2 * 2**20,
        cache_ttl_s=9.0,
    )


@pytest.mark.parametrize(("text", "word"), [(None, "No such file"), ("threads: 3", 'no field named "threads"')])
def test_serve_refuses_what_is_no_session_config(
    calls: list, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, word: str
) -> None:
    path = tmp_path / "session.config"
    if text is not None:
        path.write_text(text)
    assert done("serve", str(tmp_path), "--session-config", str(path)) != 0
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert str(path) in line and word in line and not calls


def test_serve_answers_for_candles_too_and_remembers_their_features(
    calls: list, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Product(routes.DeepLearning):
        def __init__(self, *arguments: Any) -> None:
            made.append(arguments)
            super().__init__(*arguments)

        def warm(self) -> None:
            """Nothing is asked here."""

    monkeypatch.setattr(routes, "DeepLearning", Product)
    record = tmp_path / "answers.jsonl"
    product = ["--product", str(finished.folder), "--record", str(record)]
    assert done("serve", str(tmp_path), *product, "--feature-tables", "3", "--feature-s", "7") == 0
    assert done("serve", str(tmp_path), *product, "--feature-tables", "0") == 0
    ((one, kept), (other, _)) = made
    assert kept == record
    assert isinstance(one.tables, FeatureCache) and not isinstance(other.tables, FeatureCache)
    assert (one.tables._tables.maxsize, one.tables._tables.ttl) == (3, 7.0)
    assert all(arguments[3] is not None for arguments, _ in calls)


def test_ensemble(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    monkeypatch.setattr(
        together_module, "ensemble", lambda *arguments, **more: found.append((arguments, more)) or {"said": 1}
    )
    monkeypatch.setattr("deepstack.evaluation.table.compact_lines", lambda report: [str(report)])
    rows = [one.frame.reset_index().assign(symbol=name) for name, one in finished.market.items()]
    pd.concat(rows).to_csv(tmp_path / "candles.csv", index=False)
    out, other = tmp_path / "mixed", tmp_path / "another"
    arguments = ["--data", str(tmp_path / "candles.csv"), "--out", str(out), "--method", "stacking"]
    members = ["--classical", "random_forest", "--classical", "logistic"]
    assert done("ensemble", str(finished.folder), str(other), *arguments, *members) == 0
    (((artifacts, market, given), more),) = found
    assert (artifacts, given) == ([finished.folder, other], out)
    assert {name: len(one.frame) for name, one in market.items()} == {
        name: len(one.frame) for name, one in finished.market.items()
    }
    assert (more["method"], more["classical"]) == ("stacking", ["random_forest", "logistic"])
    assert capsys.readouterr().out.splitlines() == ["{'said': 1}", f"report: {out / 'report.html'}"]
    assert done("ensemble", str(finished.folder), *arguments) == 2  # one member is none
