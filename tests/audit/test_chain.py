"""The audit of configs and artifacts, from the command line too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepstack.audit.chain import audit_chain
from deepstack.audit.findings import Audit, Link, Offence
from deepstack.candles.market import Candles
from deepstack.errors import ConfigError

CONFIG = """\
name: audited
seed: 5
data:
  synthetic: {symbols: 1, bars: 2000, interval: 1h, edge: 1.0}
features: {names: [return_1, return_5]}
labels: {channel_bars: 6}
model: {name: sequential, options: {layers: 5, width: 8}}
training: {strategy: none}
"""
PEEK = """\
from dataclasses import replace
import numpy as np
from deepstack.features.catalogue import FEATURES

honest = FEATURES["return_1"]
FEATURES["return_1"] = replace(honest, compute=lambda bars: np.append(honest.compute(bars)[1:], 0.0))
"""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deepstack", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def test_an_artifact_is_audited_with_its_own_fitted_state(finished: Any) -> None:
    found = audit_chain(finished.folder, finished.market, rows=40)
    assert not found.leaks, found.lines()
    own = next(link for link in found.links if link.name == "artifact's fitted state")
    assert own.covers.startswith("1 scalers, priors, 1 calibrations and thresholds")
    other = {
        name: Candles(name, candles.interval, candles.frame.iloc[:-1]) for name, candles in finished.market.items()
    }
    (_, link) = audit_chain(finished.folder, other, rows=40, links=["artifact's fitted state"]).links
    assert "other candles" in link.skipped


def test_a_leak_ends_with_exit_code_1_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "audited.yaml").write_text(CONFIG)
    (tmp_path / "peek.py").write_text(PEEK)
    arguments = ["audit", str(tmp_path / "audited.yaml"), "--rows", "60", "--link", "features"]
    clean = command(*arguments, "--out", str(tmp_path / "found.json"))
    assert clean.returncode == 0, clean.stderr
    assert "no look-ahead found in 2 links" in clean.stdout
    assert [link["name"] for link in json.loads((tmp_path / "found.json").read_text())["links"]] == [
        "candles",
        "features",
    ]
    leaking = command("--plugin", str(tmp_path / "peek.py"), *arguments)
    assert leaking.returncode == 1, leaking.stderr
    assert "return_1 at SYN01" in leaking.stdout and "looks 1 bar ahead" in leaking.stdout


def test_an_unknown_link_is_refused(finished: Any) -> None:
    with pytest.raises(ConfigError, match=r"links: expected some of candles, coarser candles, .* received 'featurs'"):
        audit_chain(finished.folder, finished.market, links=["featurs"])


def test_the_table_names_the_offence_under_its_link() -> None:
    offence = Offence("return_1", "BTC 2024-01-01", "moved")
    found = Audit("x", (Link("features", "9 rows", offence), Link("windows", "3"), Link("causal", "", skipped="none")))
    assert found.leaks == found.links[:1]
    assert found.summary == "look-ahead in 1 of 2 links; the first: features"
    assert "return_1 at BTC 2024-01-01: moved" in found.lines()[3]
