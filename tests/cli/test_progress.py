"""Off a terminal, progress is a few plain lines, never a flood."""

import contextlib
import io
import signal

import pytest

from deepstack.cli.progress import _bars, interruptible, plain_lines, show_progress
from deepstack.progress import no_progress


def test_a_stage_begins_ends_and_speaks_rarely_between() -> None:
    now, stream = [0.0], io.StringIO()
    progress = plain_lines(stream, clock=lambda: now[0])
    for step in range(1, 101):
        now[0] = step * 0.5
        progress("epoch 1", step, 100, "loss 0.69")
    lines = stream.getvalue().splitlines()
    assert [line.split()[3] for line in lines] == ["1/100", "21/100", "41/100", "61/100", "81/100", "100/100"]
    assert lines[0].endswith("loss 0.69")
    assert lines[0][2] == lines[0][5] == ":"


def test_the_end_is_told_once_and_a_stage_may_begin_again() -> None:
    stream = io.StringIO()
    progress = plain_lines(stream, clock=lambda: 0.0)
    for done in (2, 2, 2):
        progress("read", done, 2, "")
    assert stream.getvalue().count("\n") == 1


def test_an_unknown_total_is_no_fraction() -> None:
    stream = io.StringIO()
    plain_lines(stream)("read", 3, 0, "BTC")
    assert stream.getvalue().rstrip().endswith("read 3  BTC")


def test_without_a_terminal_there_are_no_control_codes(capsys: object) -> None:
    with show_progress() as progress:
        progress("train", 1, 1, "")
    assert "\x1b" not in capsys.readouterr().err  # type: ignore[attr-defined]


def test_bars_take_the_same_calls(capsys: pytest.CaptureFixture[str]) -> None:
    with _bars() as progress:
        progress("read", 0, 0)
        progress("read", 3, 5, "a[b]")
        progress("train", 1, 2, "loss")
    drawn = capsys.readouterr().err
    assert all(part in drawn for part in ("read", "3/5", "a[b]", "train", "1/2", "loss"))


def test_nobody_need_listen(capsys: pytest.CaptureFixture[str]) -> None:
    no_progress("train", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_that_was_swallowed_ends_the_work_at_the_next_step() -> None:
    steps, before = [], signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible(lambda *told: steps.append(told)) as progress:
        progress("train", 1, 3)
        with contextlib.suppress(KeyboardInterrupt):  # what a destructor would do
            signal.raise_signal(signal.SIGINT)
        progress("train", 2, 3)
    assert len(steps) == 1
    assert signal.getsignal(signal.SIGINT) is before
