"""Over the cores the audit finds what it finds in one process, planted leaks too, and a dead process is no hang."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepstack.audit import features as module
from deepstack.audit.features import audit_features
from deepstack.audit.mutations import MUTATIONS, VICTIM
from deepstack.audit.side_by_side import side_by_side
from deepstack.candles.market import Market
from deepstack.errors import DeepstackError

NAMES = ["return_5", VICTIM, "idiosyncratic_return_1"]


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "ONE_PROCESS", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    yield


def test_results_come_in_order_from_what_cannot_be_pickled() -> None:
    offset = 3
    found = list(side_by_side(lambda job: (job + offset, os.getpid()), range(20), worth_it=True))
    assert [value for value, _ in found] == [job + 3 for job in range(20)]
    if (os.cpu_count() or 1) > 1:
        assert os.getpid() not in {pid for _, pid in found}


def test_a_clean_market_gives_the_same_link(audited_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = audit_features(audited_market, NAMES, 80)
    monkeypatch.setattr(module, "ONE_PROCESS", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    told: list[tuple[Any, ...]] = []
    together = audit_features(audited_market, NAMES, 80, lambda *said: told.append(said))
    assert (together.offence, together.covers) == (alone.offence, alone.covers)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == told[-1][2]


@pytest.mark.parametrize("name", ["shift(-1)", "other symbols' next bar"])
def test_a_leak_is_found_by_other_processes_too(name: str, audited_market: Market, several: None) -> None:
    (mutation,) = (one for one in MUTATIONS if one.name == name)
    with mutation.plant():
        found = audit_features(audited_market, NAMES, 80)
    assert found.offence is not None and "ahead" in found.offence.how


def test_a_process_that_is_killed_ends_in_one_line(several: None) -> None:
    def die(job: int) -> int:
        if job == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return job

    with pytest.raises(DeepstackError, match="received one that died"):
        list(side_by_side(die, range(8), worth_it=True))


PARENT = r"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
os.cpu_count = lambda: 2
from deepstack.audit.side_by_side import side_by_side

def slow(job):
    os.write(1, b"%d\n" % os.getpid())  # at once, so that two lines never mix
    time.sleep(60)

try:
    list(side_by_side(slow, range(4), worth_it=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_no_process_outlives_the_one_that_asked(number: int, code: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    children = {int(parent.stdout.readline()) for _ in range(2)}
    started = time.monotonic()
    os.kill(parent.pid, number)
    assert parent.wait(timeout=20) == code
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() - started < 20.0
        time.sleep(0.05)
    parent.stdout.close()
