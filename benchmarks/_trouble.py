"""Minutes of trouble for a server: mixed load while versions come and go, processes die and nonsense is asked."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
from _server import NAME, Served, ask_rest, rows, served

from deepstack.serving.client import Client, ServerError, Where

RELOADS, FAULTS = 20, 3
NONSENSE: tuple[dict, ...] = (
    {},
    {"instances": [[1]]},
    {"instances": "x"},
    {"inputs": {"no": 1}},
    {"instances": [[{"b64": "!"}]]},
)


def trouble(exports: Path, minutes: float) -> dict:
    """Mixed load while versions come and go, processes die and nonsense is asked."""
    import tensorflow as tf

    body = rows(4)
    right = []
    for k in (0, 1):
        loaded = tf.saved_model.load(str(exports / f"folded{k}"))
        right.append(loaded.signatures["serving_default"](features=tf.constant(body))["probability"].numpy())
    models = exports / "trouble"
    shutil.copytree(exports / "folded0", models / NAME / "1")
    counts = {"answered": 0, "wrong": 0, "failed": 0, "malformed": 0, "malformed_500": 0}
    lock, stop, errors = threading.Lock(), threading.Event(), []

    def count(**more: int) -> None:
        with lock:
            for name, value in more.items():
                counts[name] += value

    with served(models, "--poll-s", "0.5") as one:

        def well(protocol: str) -> None:
            client = Client(Where(one.grpc), deadline_s=60.0, retries=0)
            while not stop.is_set():
                k = int(time.time() * 1e6) % 4
                try:
                    if protocol == "grpc":
                        found = client.predict(NAME, {"features": body[: k + 1]})["probability"]
                    else:
                        status, answer = ask_rest(one, {"instances": body[: k + 1].tolist()})
                        found = (
                            np.array([row["probability"] for row in answer["predictions"]]) if status == 200 else None
                        )
                except (ServerError, OSError, KeyError) as error:
                    errors.append(str(error)[:200])
                    count(failed=1)
                    continue
                good = found is not None and any(np.allclose(found, p[: k + 1], atol=1e-5) for p in right)
                count(answered=1, wrong=int(not good))

        def badly() -> None:
            while not stop.is_set():
                for each in NONSENSE:
                    status, _ = ask_rest(one, each)
                    count(malformed=1, malformed_500=int(status >= 500 or status == 200))
                time.sleep(0.2)

        threads = [threading.Thread(target=well, args=(p,)) for p in ("grpc", "grpc", "rest")]
        threads.append(threading.Thread(target=badly))
        for thread in threads:
            thread.start()
        memory = _reloads(one, exports, models, minutes)
        stop.set()
        for thread in threads:
            thread.join()
    print(counts, {k: round(v) for k, v in memory.items()}, errors[:3], flush=True)
    return {**counts, "rss_mb": memory, "minutes": minutes, "errors": errors[:5]}


def _reloads(one: Served, exports: Path, models: Path, minutes: float) -> dict[int, float]:
    """Publish version after version and kill a process now and then; resident memory after each."""
    memory, started = {}, time.monotonic()
    for number in range(1, RELOADS + 1):
        part = models / NAME / ".part"
        shutil.copytree(exports / f"folded{number % 2}", part)
        part.rename(models / NAME / str(number + 1))
        if number % (RELOADS // FAULTS) == 0 and number // (RELOADS // FAULTS) <= FAULTS:
            time.sleep(60.0 * minutes / RELOADS / 3.0)
            os.kill(one.workers()[0], signal.SIGKILL)
        time.sleep(max(0.0, started + 60.0 * minutes * number / RELOADS - time.monotonic()))
        settled = time.monotonic() + 60.0
        while len(one.workers()) > 1 and time.monotonic() < settled:  # the old version's process is leaving
            time.sleep(0.2)
        memory[number] = one.rss_mb()
    return memory
