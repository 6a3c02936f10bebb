"""A config is read whole, or refused in one line that says where, what and what to do."""

import re
from pathlib import Path

import pytest

from deepstack.config import _yaml
from deepstack.config.data import DataConfig
from deepstack.config.describe import keys
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
            ["an integer >= 1 and <= 1048576 or auto", "received 0"],
        ),
        (
            "training: {batch_size: big}",
            "configs/x.yaml:1: training.batch_size:",
            ["an integer >= 1 and <= 1048576 or auto", "'big'"],
        ),
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
        ("seed: 1\x07", "configs/x.yaml:", ["YAML", "#x0007"]),
        ("seed: 1\0", "configs/x.yaml:", ["YAML", "#x0000"]),
        ("seed: " + "[" * 5000, "configs/x.yaml:1:", ["YAML", "levels"]),
        ("seed:\n" + "".join(f"{' ' * depth}-\n" for depth in range(500)), "configs/x.yaml:", ["YAML", "levels"]),
        ("seed: " + "9" * 5000, "configs/x.yaml:", ["YAML", "digits"]),
        ('name: "\\UFFFFFFFF"', "configs/x.yaml:", ["YAML"]),
        ("seed: 1\n? !!binary aGVsbG8=\n: 1", "configs/x.yaml:2:", ["YAML", "binary"]),
        ("seed: !!int 010", "configs/x.yaml:1:", ["YAML", "tag"]),
        ("seed: 1\n? [a]\n: 1", "configs/x.yaml:2:", ["a name", "a list"]),
        ("seed: 1\n7: 1", "configs/x.yaml:2:", ["a name", "'7'"]),
        ("seed: 010", "configs/x.yaml:1: seed:", ["an integer", "'010'"]),
        ("seed: 1_0", "configs/x.yaml:1: seed:", ["an integer", "'1_0'"]),
        ("training: {epochs: 1:30}", "configs/x.yaml:1: training.epochs:", ["an integer", "'1:30'"]),
        ("labels: {stop_atr: 01.5}", "configs/x.yaml:1: labels.stop_atr:", ["a finite number", "'01.5'"]),
        ("training: {jit_compile: no}", "configs/x.yaml:1: training.jit_compile:", ["true or false or auto", "'no'"]),
        ("training: {jit_compile: 1}", "configs/x.yaml:1: training.jit_compile:", ["true or false or auto", "1"]),
        ("samples: {window_bar: 3}", "configs/x.yaml:1: samples.window_bar:", ["did you mean samples.window_bars?"]),
        ("timeframes: [5min]", "configs/x.yaml:1: timeframes:", ["did you mean samples.timeframes?"]),
        ("model: {head: horizon}", "configs/x.yaml:1: model.head:", ["'horizons': did you mean that?"]),
        ("training: {loss: focall}", "configs/x.yaml:1: training.loss:", ["'focal': did you mean that?"]),
        (
            "samples:\n  augment:\n    transforms: [noise, mixp]",
            "configs/x.yaml:3: samples.augment.transforms[1]:",
            ["'mixup': did you mean that?"],
        ),
        (
            "labels:\n  horizons:\n    lengths: []",
            "configs/x.yaml:3: labels.horizons.lengths:",
            ["a list of text, not empty", "received []"],
        ),
        ("labels: {horizons: {lengths: 5min}}", "configs/x.yaml:1: labels.horizons.lengths:", ["a list of text"]),
        (
            "labels: {horizons: {weights: [1, 0]}}",
            "configs/x.yaml:1: labels.horizons.weights[1]:",
            ["each a finite number > 0 and <= 1000000", "received 0"],
        ),
        ("name: " + "a" * 300, "configs/x.yaml:1: name:", ["{0,99}"]),
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
        ("seed=" + "[" * 5000, "levels"),
        ("seed=" + "9" * 5000, "digits"),
        ("seed=\x07", "YAML"),
        ("seed=010", "'010'"),
        ("training.epochs=1:30", "'1:30'"),
        ("training={epochs: 1, epochs: 2}", "epochs again"),
        ("model.options={a: &a [1], b: *a}", "alias"),
        ("training.epochs=99999999999999999999", "<= 1000000"),
        ("training.batch_size=99999999999999999999", "<= 1048576 or auto"),
        ("split.embargo_bars=9999999999999999", "<= 1000000"),
        ("evaluation.bootstrap_resamples=99999999999999", "<= 100000"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, part: str) -> None:
    message = refusal(tmp_path, "name: smoke", override)
    assert message.startswith(f"--set {override}")
    assert part in message


def test_data_replaces_the_paths(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "data: {paths: [a.csv], repair: drop}"), data=[Path("b.csv"), Path("c")])
    assert config.data == DataConfig(paths=("b.csv", "c"), repair="drop")


def test_every_number_has_both_bounds() -> None:
    """A number without an upper bound is an overflow or a full memory somewhere behind the config."""
    numbers = {key.name: key.accepts for key in keys(RunConfig) if re.search("integer|number", key.accepts)}
    assert len(numbers) > 40
    assert "labels.horizons.weights" in numbers  # one in a list is a number too
    bounded = r"(a list of values, each )?(an integer|a finite number) >=? \S+ and <=? \S+( or (auto|null))?"
    assert not {name: words for name, words in numbers.items() if not re.fullmatch(bounded, words)}


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-3", -3), ("+2", 2), ("12", 12), ("null", None), ("~", None)])
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert _yaml.parse_value(text, "--set x") == value


@pytest.mark.parametrize("text", ["0.5", ".5", "5.", "-0.5e3", "5e-1", "1E+2", "0e0"])
def test_decimals_are_read_as_python_reads_them(text: str) -> None:
    value = _yaml.parse_value(text, "--set x")
    assert isinstance(value, float)
    assert value == float(text)


@pytest.mark.parametrize("content", [None, b"name: \xff"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        read_config(path)


def test_what_is_dumped_is_read_back_equal(tmp_path: Path) -> None:
    options = "{a: '1e-5', b: 1e-5, c: 'yes', d: null, e: [1, 2.5], f: '010', g: '1:30', h: 010, i: '12', j: 1e30}"
    config = read_config(None, [f"model.options={options}", "data.resample=4h"])
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
