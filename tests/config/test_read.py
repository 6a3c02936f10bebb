"""A config is read whole, or refused in one line that says where, what and what to do."""

from pathlib import Path

import pytest

from deepstack.config.data import DataConfig
from deepstack.config.read import config_from_tree, dump_config, first_difference, read_config
from deepstack.config.run import RunConfig
from deepstack.errors import ConfigError

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(write(folder, text), overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "configs")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_parses(path: Path) -> None:
    assert isinstance(read_config(path), RunConfig)
    assert path.read_text(encoding="utf-8").startswith("#"), "a config opens with what it is, its command and its cost"


def test_keys_left_out_take_their_defaults(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "training: {epochs: 3}"))
    assert config.training.epochs == 3
    assert config == RunConfig(training=config.training)
    assert read_config(None) == RunConfig()


def test_scientific_numbers_are_numbers_everywhere(tmp_path: Path) -> None:
    config = read_config(
        write(tmp_path, "training: {learning_rate: 1e-5}\nmodel: {options: {gain: 1e-3, day: 2024-01-01}}")
    )
    assert config.training.learning_rate == 1e-5
    assert config.model.options == {"gain": 1e-3, "day": "2024-01-01"}


@pytest.mark.parametrize(
    ("text", "where", "parts"),
    [
        ("seed: 1\ntraining:\n  epochs: abc", "configs/x.yaml:3: training.epochs:", ["an integer >= 1", "'abc'"]),
        ("training:\n  epochs: true", "configs/x.yaml:2: training.epochs:", ["an integer >= 1", "True"]),
        ("training:\n  epochs: 2.5", "configs/x.yaml:2: training.epochs:", ["2.5"]),
        ("training:\n  epoch: 3", "configs/x.yaml:2: training.epoch:", ["did you mean training.epochs?"]),
        ("epochs: 3", "configs/x.yaml:1: epochs:", ["did you mean training.epochs?"]),
        ("traning: {}", "configs/x.yaml:1: traning:", ["did you mean training?"]),
        (
            "training:\n  schedule:\n    knd: step",
            "configs/x.yaml:3: training.schedule.knd:",
            ["training.schedule.kind?"],
        ),
        ("training: {optimizer: adm}", "configs/x.yaml:1: training.optimizer:", ["one of adam", "did you mean"]),
        (
            "training: {batch_size: 0}",
            "configs/x.yaml:1: training.batch_size:",
            ["an integer >= 1 or auto", "received 0"],
        ),
        ("training: {batch_size: big}", "configs/x.yaml:1: training.batch_size:", ["an integer >= 1 or auto", "'big'"]),
        (
            "training: {learning_rate: .nan}",
            "configs/x.yaml:1: training.learning_rate:",
            ["a finite number > 0", "nan"],
        ),
        ("training:", "configs/x.yaml:1: training:", ["a section", "received nothing"]),
        ("data: {paths: a.csv}", "configs/x.yaml:1: data.paths:", ["a list of text", "'a.csv'"]),
        (
            "evaluation:\n  baselines:\n    - take_all\n    - logistc",
            "configs/x.yaml:4: evaluation.baselines[1]:",
            ["'logistic'"],
        ),
        (
            "split: {train: 0.9, validation: 0.2}",
            "configs/x.yaml:1: split:",
            ["train + validation below 1", "received 1.1"],
        ),
        ("seed: 1\nseed: 2", "configs/x.yaml:2:", ["each key once", "line 1"]),
        ("a: &a {b: 1}\nc: *a", "configs/x.yaml:1:", ["alias"]),
        ("a: [", "configs/x.yaml:1:", ["YAML"]),
        ("a: !!python/object/apply:os.getcwd []", "configs/x.yaml:1:", ["YAML"]),
        ("", "configs/x.yaml:", ["received nothing"]),
        ("- 1", "configs/x.yaml:", ["received a list"]),
    ],
)
def test_a_wrong_config_is_one_line(tmp_path: Path, text: str, where: str, parts: list[str]) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(where)
    assert "— try " in message
    for part in parts:
        assert part in message


def test_several_problems_are_the_first_and_a_count(tmp_path: Path) -> None:
    message = refusal(tmp_path, "training:\n  epochs: 0\n  batch_size: x\nsed: 1")
    assert message.startswith("configs/x.yaml:2: training.epochs:")
    assert message.endswith("(2 more problems in this config)")


def test_overrides_reach_every_level_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "training: {epochs: 5}\nmodel: {options: {width: 64}}")
    config = read_config(
        path,
        [
            "training.epochs=3",
            "training.schedule.kind=step",
            "model.options.res_blocks_per_unit=[2, 3]",
            "training.clip_norm=null",
            "data.symbols=[BTC, ETH]",
            "training.epochs=4",
        ],
    )
    assert config.training.epochs == 4
    assert config.training.schedule.kind == "step"
    assert config.training.clip_norm is None
    assert config.model.options == {"width": 64, "res_blocks_per_unit": [2, 3]}
    assert config.data.symbols == ("BTC", "ETH")


def test_an_override_mends_what_the_file_got_wrong(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "training: {epochs: abc}"), ["training.epochs=3"]).training.epochs == 3


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("training.epochs=abc", "an integer >= 1"),
        ("training.epohcs=3", "did you mean training.epochs?"),
        ("seed.x=3", "an integer >= 0"),
        ("training=3", "a section"),
        ("training.epochs", "section.key=value"),
        ("=3", "section.key=value"),
        ("seed=[", "YAML"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, part: str) -> None:
    message = refusal(tmp_path, "name: smoke", override)
    assert message.startswith(f"--set {override}")
    assert part in message


def test_data_replaces_the_paths(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "data: {paths: [a.csv], repair: drop}"), data=[Path("b.csv"), Path("c")])
    assert config.data == DataConfig(paths=("b.csv", "c"), repair="drop")


@pytest.mark.parametrize("content", [None, b"name: \xff"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        read_config(path)


def test_what_is_dumped_is_read_back_equal(tmp_path: Path) -> None:
    config = read_config(
        None, ["model.options={a: '1e-5', b: 1e-5, c: 'yes', d: null, e: [1, 2.5]}", "data.resample=4h"]
    )
    assert read_config(write(tmp_path, dump_config(config))) == config
    assert config_from_tree(config.model_dump(mode="json"), "manifest.json") == config


def test_a_stored_tree_of_another_version_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"manifest\.json: training\.lr"):
        config_from_tree({"training": {"lr": 1}}, "manifest.json")


def test_the_first_difference_names_key_and_values() -> None:
    stored, given = RunConfig(), read_config(None, ["training.epochs=3", "model.options.width=8"])
    assert first_difference(stored, stored) is None
    assert first_difference(stored, given) is not None
    assert (
        first_difference(RunConfig(), read_config(None, ["training.epochs=3"])) == "training.epochs 10 there and 3 here"
    )
