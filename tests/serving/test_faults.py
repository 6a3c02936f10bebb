"""New versions, dead processes and broken models: nobody who asked well is left without a right answer."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from running_server import FEATURES, Running, running

from deepstack.serving.client import Client, ServerError, Where

ROWS = np.random.default_rng(3).normal(size=(2, FEATURES)).astype(np.float32)


@pytest.fixture
def folder(versions: Path, tmp_path: Path) -> Path:
    shutil.copytree(versions / "1", tmp_path / "models" / "net" / "1")
    return tmp_path / "models"


def publish(versions: Path, folder: Path, source: int, number: int) -> None:
    part = folder / "net" / ".part"
    shutil.copytree(versions / str(source), part)
    part.rename(folder / "net" / str(number))


def probabilities(folder: Path) -> dict[int, np.ndarray]:
    found = {}
    for number in (1, 2):
        loaded = tf.saved_model.load(str(folder / str(number)))
        found[number] = loaded.signatures["serving_default"](features=tf.constant(ROWS))["probability"].numpy()
    return found


def wait_for(what, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def pid_of(one: Running, number: int) -> int:
    pid = one.server.models.loaded["net"][number].pid
    assert pid is not None
    return pid


@pytest.mark.slow
def test_a_new_version_takes_over_without_a_failed_request(versions: Path, folder: Path) -> None:
    right = probabilities(versions)
    with running(folder) as one:
        client, wrong, answered, stop = Client(Where(one.grpc), retries=0), [], [], threading.Event()
        old = pid_of(one, 1)

        def ask() -> None:
            while not stop.is_set():
                found = client.predict("net", {"features": ROWS})["probability"]
                matches = [n for n, p in right.items() if np.allclose(found, p, atol=1e-6)]
                answered.append(matches[0] if matches else 0)
                wrong.extend([] if matches else [found])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        publish(versions, folder, 2, 2)
        wait_for(lambda: answered and answered[-1] == 2)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong and set(answered) == {1, 2}
        wait_for(lambda: 1 not in one.server.models.loaded.get("net", {}))
        wait_for(lambda: not Path(f"/proc/{old}").exists())
        states = {v.number: v.state for v in one.server.models.states("net")}
        assert states == {1: "END", 2: "AVAILABLE"}


@pytest.mark.slow
def test_a_killed_process_is_replaced_and_its_requests_are_answered(versions: Path, folder: Path) -> None:
    right = probabilities(versions)[1]
    with running(folder) as one:
        client, found, stop = Client(Where(one.grpc), deadline_s=60.0, retries=0), [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                found.append(client.predict("net", {"features": ROWS})["probability"])

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            wait_for(lambda: one.server.models.loaded["net"][1]._ready.is_set())
            victim, before = pid_of(one, 1), len(found)
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda before=before, victim=victim: len(found) > before + 20 and pid_of(one, 1) != victim)
        stop.set()
        for thread in threads:
            thread.join()
        assert all(np.allclose(p, right, atol=1e-6) for p in found)
        assert one.server.models.loaded["net"][1].restarts == 2


@pytest.mark.slow
def test_a_dead_process_leaves_the_other_versions_alone(versions: Path, folder: Path) -> None:
    publish(versions, folder, 2, 2)
    (folder / "models.config").write_text(
        'model_config_list { config { name: "net" base_path: "net" model_version_policy { all {} } } }'
    )
    with running(folder) as one:
        client, right = Client(Where(one.grpc), deadline_s=60.0, retries=0), probabilities(versions)
        for number in (1, 2):
            client.predict("net", {"features": ROWS}, version=number)
        other, started = pid_of(one, 2), time.monotonic()
        os.kill(pid_of(one, 1), signal.SIGKILL)
        found = client.predict("net", {"features": ROWS}, version=2)["probability"]
        assert time.monotonic() - started < 1.0  # before any process could have been started
        np.testing.assert_allclose(found, right[2], atol=1e-6)
        np.testing.assert_allclose(
            client.predict("net", {"features": ROWS}, version=1)["probability"], right[1], atol=1e-6
        )
        versions_now = one.server.models.loaded["net"]
        assert (versions_now[1].restarts, versions_now[2].restarts, pid_of(one, 2)) == (1, 0, other)


@pytest.mark.slow
def test_a_process_killed_while_it_replaces_another_is_replaced_as_well(versions: Path, folder: Path) -> None:
    with running(folder) as one:
        version, found = one.server.models.loaded["net"][1], []
        first = pid_of(one, 1)
        os.kill(first, signal.SIGKILL)
        asking = threading.Thread(
            target=lambda: found.append(
                Client(Where(one.grpc), deadline_s=60.0, retries=0).predict("net", {"features": ROWS})["probability"]
            )
        )
        wait_for(lambda: pid_of(one, 1) != first and not version._ready.is_set())
        asking.start()
        time.sleep(0.2)  # it starts, and nothing can be answered yet
        os.kill(pid_of(one, 1), signal.SIGKILL)
        asking.join()
        np.testing.assert_allclose(found[0], probabilities(versions)[1], atol=1e-6)
        assert (version.state, version.restarts, version.error) == ("AVAILABLE", 2, "")


@pytest.mark.slow
def test_a_broken_version_is_told_and_the_good_one_stays(versions: Path, folder: Path) -> None:
    with running(folder) as one:
        part = folder / "net" / ".part"
        shutil.copytree(versions / "2", part)
        (part / "saved_model.pb").write_bytes(b"nothing")
        part.rename(folder / "net" / "2")
        wait_for(lambda: 2 in one.server.models.gone.get("net", {}))
        (newest, *_) = one.server.models.states("net")
        assert (newest.number, newest.state) == (2, "END") and newest.error
        assert Client(Where(one.grpc)).predict("net", {"features": ROWS})["probability"].shape == (2,)
        with pytest.raises(ServerError, match="Servable not found"):
            Client(Where(one.grpc)).predict("net", {"features": ROWS}, version=2)


@pytest.mark.slow
def test_a_model_that_is_removed_is_no_longer_served_and_the_server_ends_its_processes(folder: Path) -> None:
    with running(folder) as one:
        process = pid_of(one, 1)
        shutil.move(folder / "net", folder.parent / "away")
        wait_for(lambda: "net" not in one.server.models.loaded)
        with pytest.raises(ServerError, match="Servable not found"):
            Client(Where(one.grpc)).predict("net", {"features": ROWS})
        wait_for(lambda: not Path(f"/proc/{process}").exists())
        shutil.move(folder.parent / "away", folder / "net")
        wait_for(lambda: bool(one.server.models.loaded.get("net")) and pid_of(one, 1) is not None)
        wait_for(lambda: one.server.models.loaded["net"][1].state == "AVAILABLE")
        process = pid_of(one, 1)
    assert not Path(f"/proc/{process}").exists()
