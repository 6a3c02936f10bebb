"""The same question is answered once, within room and time."""

import asyncio
import shutil
import time

import numpy as np

from deepstack.serving.server.response_cache import OVERHEAD_BYTES, ResponseCache

ROWS = np.arange(6.0, dtype=np.float32).reshape(2, 3)
ANSWER = {"probability": np.zeros(2, np.float32)}
SIZE = OVERHEAD_BYTES + 8


def test_another_question_is_another_key() -> None:
    cache, version, other = ResponseCache(10 * SIZE), 1, 2
    questions = [
        (version, "serving_default", {"features": ROWS}),
        (other, "serving_default", {"features": ROWS}),
        (version, "predict_scaled", {"features": ROWS}),
        (version, "serving_default", {"features": ROWS.reshape(3, 2)}),
        (version, "serving_default", {"features": ROWS.astype(np.float64)}),
        (version, "serving_default", {"others": ROWS}),
        (version, "serving_default", {"features": ROWS + 1}),
        (version, "classify", {"inputs": np.array([b"ab", b"c"], object)}),
        (version, "classify", {"inputs": np.array([b"a", b"bc"], object)}),
    ]
    assert len({cache.key(*each) for each in questions}) == len(questions)
    assert cache.key(*questions[0]) == cache.key(version, "serving_default", {"features": ROWS.copy()})


def test_room_and_time_are_bounds() -> None:
    cache = ResponseCache(2 * SIZE, ttl_s=0.1)
    for key in (b"1", b"2", b"3"):
        cache.put(key, ANSWER)
    assert cache.get(b"1") is None and cache.get(b"3") is not None
    cache.put(b"large", {"probability": np.zeros(10 * SIZE, np.float32)})
    assert cache.get(b"large") is None and cache.get(b"3") is not None
    time.sleep(0.15)
    assert cache.get(b"3") is None
    assert (cache.hits, cache.misses) == (2, 3)


def test_without_room_nothing_is_kept() -> None:
    cache = ResponseCache()
    assert cache.key(1, "serving_default", {"features": ROWS}) is None
    cache.put(None, ANSWER)
    assert cache.get(None) is None


def test_a_server_answers_from_it_until_a_version_goes(versions, tmp_path) -> None:
    from deepstack.serving.server.models import Models

    shutil.copytree(versions, tmp_path / "net")
    every = 'model_config_list { config { name: "net" model_version_policy { all {} } } }'
    (tmp_path / "models.config").write_text(every)

    async def ask() -> tuple[list[np.ndarray], list[int]]:
        served, calls = Models(tmp_path, cache=ResponseCache(1 << 20)), []
        served.sizes = lambda model, version, signature, rows: calls.append(rows)
        await served.refresh()
        rows, found = {"features": np.ones((2, 6), np.float32)}, []
        try:
            for number in (2, 2, 1, 2):
                version = served.find("net", number)
                outputs = await served.ask(version, "serving_default", dict(rows), 2)
                found.append(outputs["probability"])
            shutil.rmtree(tmp_path / "net" / "1")
            await served.refresh()
            assert list(served.loaded["net"]) == [2]
            await served.ask(served.find("net", 2), "serving_default", dict(rows), 2)
        finally:
            await served.close()
        return found, calls

    found, calls = asyncio.run(ask())
    assert len(calls) == 3  # version 2, version 1, version 2 after its answers were forgotten
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
