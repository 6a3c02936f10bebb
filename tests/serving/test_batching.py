"""The queue of one signature, over a model that answers when the test says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from deepstack.serving.server.batching import Batcher, Batching
from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.models import Models
from deepstack.serving.server.refusal import Refusal, invalid
from deepstack.serving.server.version import Version


class Model:
    """Doubles what it is asked once the gate is open, and keeps the rows of every call."""

    def __init__(self, answer: Callable[[Arrays], Arrays] = lambda arrays: {"y": 2.0 * arrays["x"]}) -> None:
        self.gate, self.calls, self.answer = asyncio.Event(), [], answer

    async def run(self, arrays: Arrays) -> Arrays:
        self.calls.append(len(arrays["x"]))
        await self.gate.wait()
        return self.answer(arrays)


def rows(*values: float, width: int = 1) -> Arrays:
    return {"x": np.repeat(np.array(values, np.float32)[:, None], width, axis=1)}


async def asked(batcher: Batcher, *inputs: Arrays) -> list[asyncio.Task]:
    """Questions one after the other: the first is at the model, or waits, when the second comes."""
    tasks = []
    for one in inputs:
        tasks.append(asyncio.create_task(batcher.ask(one, len(one["x"]))))
        await asyncio.sleep(0.002)
    return tasks


def play(scene: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(scene(), 20.0))


def test_what_waits_is_joined_up_to_the_largest_batch_and_split_again() -> None:
    async def scene() -> None:
        model, sizes = Model(), []
        batcher = Batcher(model.run, Batching(max_batch_size=4), sizes.append)
        tasks = await asked(batcher, rows(1), rows(2), rows(3, 4), rows(5), rows(6))
        assert model.calls == [1]  # the first does not wait for others
        model.gate.set()
        found = [(await task)["y"].ravel().tolist() for task in tasks]
        assert found == [[2], [4], [6, 8], [10], [12]]
        assert model.calls == sizes == [1, 4, 1]

    play(scene)


def test_a_timeout_waits_for_others_while_there_is_room() -> None:
    async def scene() -> None:
        model = Model()
        model.gate.set()
        batcher = Batcher(model.run, Batching(max_batch_size=3, batch_timeout_ms=300.0))
        loop = asyncio.get_running_loop()
        started = loop.time()
        tasks = await asked(batcher, rows(1), rows(2))
        await asyncio.sleep(0.05)
        assert model.calls == []
        await asyncio.gather(*tasks)
        assert model.calls == [2] and loop.time() - started >= 0.3
        started = loop.time()
        await asyncio.gather(*await asked(batcher, rows(1), rows(2), rows(3)))
        assert model.calls == [2, 3] and loop.time() - started < 0.3

    play(scene)


def test_each_signature_has_a_queue_of_its_own(tmp_path: Any) -> None:
    async def scene() -> None:
        version, models, calls = Version("net", 1, tmp_path, "AVAILABLE"), Models(tmp_path), []
        gate, version.signatures = asyncio.Event(), dict.fromkeys(("first", "second"), SignatureDef())

        async def ask(signature: str, inputs: Arrays) -> Arrays:
            calls.append((signature, len(inputs["x"])))
            await gate.wait()
            return inputs

        version.ask = ask  # type: ignore[method-assign]
        tasks = []
        for signature in ("first", "first", "second", "first", "second"):
            tasks.append(asyncio.create_task(models.ask(version, signature, rows(1), 1)))
            await asyncio.sleep(0.002)
        assert calls == [("first", 1), ("second", 1)]  # neither waits for the other
        gate.set()
        await asyncio.gather(*tasks)
        assert sorted(calls[2:]) == [("first", 2), ("second", 1)]

    play(scene)


def test_rows_of_different_shapes_are_never_joined() -> None:
    async def scene() -> None:
        model = Model()
        batcher = Batcher(model.run, Batching())
        shapes = [1, 2, 1, 2, 3]
        tasks = await asked(batcher, *(rows(7, width=width) for width in shapes))
        model.gate.set()
        assert [(await task)["y"].shape for task in tasks] == [(1, width) for width in shapes]
        assert model.calls == [1, 2, 1, 1]  # the first alone, then those of two, of one and of three columns

    play(scene)


def test_who_has_gone_is_not_asked_for() -> None:
    async def scene() -> None:
        model = Model()
        batcher = Batcher(model.run, Batching(max_enqueued_rows=3))
        first, gone, stays = await asked(batcher, rows(1), rows(2, 3), rows(4))
        gone.cancel()
        await asyncio.sleep(0)
        model.gate.set()
        assert (await stays)["y"].tolist() == [[8.0]] and await first
        assert model.calls == [1, 1] and gone.cancelled()
        assert await asyncio.gather(*await asked(batcher, rows(5, 6, 7)))  # the room is free again

    play(scene)


def test_who_goes_while_the_model_works_harms_nobody_who_waits() -> None:
    async def scene() -> None:
        model = Model()
        batcher = Batcher(model.run, Batching(max_batch_size=4))
        first, second, third = await asked(batcher, rows(1), rows(2), rows(3))
        first.cancel()
        model.gate.set()
        assert [(await task)["y"].tolist() for task in (second, third)] == [[[4.0]], [[6.0]]]
        assert first.cancelled() and model.calls == [1, 2]
        (fourth,) = await asked(batcher, rows(4))
        assert (await fourth)["y"].tolist() == [[8.0]]

    play(scene)


def test_more_rows_than_may_ever_wait_are_no_matter_of_waiting() -> None:
    with pytest.raises(Refusal, match="expected 2 rows at most, received 3") as refused:
        asyncio.run(Batcher(Model().run, Batching(max_enqueued_rows=2)).ask(rows(1, 2, 3), 3))
    assert refused.value.code is StatusCode.INVALID_ARGUMENT


def test_a_full_queue_refuses_until_there_is_room() -> None:
    async def scene() -> None:
        model = Model()
        batcher = Batcher(model.run, Batching(max_enqueued_rows=2))
        waiting = await asked(batcher, rows(1), rows(2, 3))
        with pytest.raises(Refusal, match="2 rows are waiting") as refused:
            await batcher.ask(rows(4), 1)
        assert refused.value.code is StatusCode.RESOURCE_EXHAUSTED
        model.gate.set()
        await asyncio.gather(*waiting)
        assert (await batcher.ask(rows(4), 1))["y"].tolist() == [[8.0]]

    play(scene)


def fails_on(bad: float, error: Exception) -> Callable[[Arrays], Arrays]:
    def answer(arrays: Arrays) -> Arrays:
        if bad in arrays["x"]:
            raise error
        return {"y": arrays["x"]}

    return answer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (invalid("no such row"), StatusCode.INVALID_ARGUMENT),
        (TypeError("a fault"), StatusCode.INTERNAL),
        (MemoryError(), StatusCode.INTERNAL),
    ],
)
def test_a_request_that_fails_hears_of_it_and_harms_nobody(error: Exception, code: StatusCode) -> None:
    async def scene() -> None:
        model = Model(fails_on(3, error))
        batcher = Batcher(model.run, Batching())
        tasks = await asked(batcher, rows(3), rows(1), rows(3), rows(2))
        model.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(one, "code", None) for one in found] == [code, None, code, None]
        assert [found[n]["y"].tolist() for n in (1, 3)] == [[[1.0]], [[2.0]]]
        assert (await batcher.ask(rows(5), 1))["y"].tolist() == [[5.0]]

    play(scene)


def test_a_model_whose_outputs_have_no_item_a_row_is_called_for_each_request_alone() -> None:
    async def scene() -> None:
        model = Model(lambda arrays: {"y": np.float32(len(arrays["x"]))})
        batcher = Batcher(model.run, Batching())
        tasks = await asked(batcher, rows(1), rows(2, 2), rows(3, 3, 3))
        model.gate.set()
        assert [float((await task)["y"]) for task in tasks] == [1.0, 2.0, 3.0]
        assert model.calls == [1, 5, 2, 3]

    play(scene)
