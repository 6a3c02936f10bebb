"""Joining requests that wait for the same signature into one call of the model."""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from grpc import StatusCode

from deepstack.serving.server.frames import Arrays
from deepstack.serving.server.refusal import Refusal

Run = Callable[[Arrays], Awaitable[Arrays]]


@dataclass(frozen=True)
class Batching:
    """How requests are joined; the words are those of TensorFlow Serving's batching parameters.

    Attributes:
        max_batch_size: rows a call; 1 joins nothing.
        batch_timeout_ms: a request waits for others as long, while there is room; at 0 it waits only while the model is
            at work, so that a single client never waits.
        max_enqueued_rows: waiting at most; more are refused.
    """

    max_batch_size: int = 64
    batch_timeout_ms: float = 0.0
    max_enqueued_rows: int = 4096


@dataclass(frozen=True, eq=False)
class _Waiting:
    inputs: Arrays
    rows: int
    shape: tuple
    arrived: float
    answer: asyncio.Future


@dataclass(eq=False)
class Batcher:
    """The queue of one signature of one version.

    Attributes:
        run: calls the model.
        options: how.
        sizes: told the rows of every call.
    """

    run: Run
    options: Batching
    sizes: Callable[[int], None] = lambda rows: None
    _queue: deque[_Waiting] = field(default_factory=deque)
    _rows: int = 0
    _busy: bool = False
    _worker: asyncio.Task | None = None

    async def ask(self, inputs: Mapping[str, np.ndarray], count: int | None) -> Arrays:
        """Outputs of so many rows; of inputs that have no batch size in common (None) in a call of their own.

        Raises:
            Refusal: RESOURCE_EXHAUSTED where too many wait, INVALID_ARGUMENT for more than may ever wait; what the
                model refuses.
        """
        rows = 1 if count is None else count
        if rows > self.options.max_enqueued_rows:
            most = self.options.max_enqueued_rows
            raise Refusal(StatusCode.INVALID_ARGUMENT, f"expected {most} rows at most, received {rows}")
        if self._rows + rows > self.options.max_enqueued_rows:
            raise Refusal(StatusCode.RESOURCE_EXHAUSTED, f"{self._rows} rows are waiting, the queue is full")
        loop = asyncio.get_running_loop()
        shape: tuple = (object(),)
        if count is not None:
            shape = tuple((name, array.shape[1:]) for name, array in sorted(inputs.items()))
        waiting = _Waiting(dict(inputs), rows, shape, loop.time(), loop.create_future())
        self._queue.append(waiting)
        self._rows += rows
        if not self._busy:
            self._busy = True
            try:
                if not self._left_s():  # nobody to wait for: called from here, two turns of the loop are saved
                    await self._call(self._next())
            finally:
                if self._queue:
                    self._worker = asyncio.create_task(self._work())
                else:
                    self._busy = False
        found: Arrays = await waiting.answer
        return found

    async def _work(self) -> None:
        try:
            while self._queue:
                if left := self._left_s():
                    await asyncio.sleep(min(left, 0.001))
                    continue
                await self._call(self._next())
        finally:
            self._busy = False

    def _left_s(self) -> float:
        """How long the first in the queue still waits for others."""
        if self._rows >= self.options.max_batch_size:
            return 0.0
        until = self._queue[0].arrived + self.options.batch_timeout_ms / 1000.0
        return max(0.0, until - asyncio.get_running_loop().time())

    def _next(self) -> list[_Waiting]:
        """From the front of the queue: alike in shape, no more rows than a call may have, one at least."""
        batch: list[_Waiting] = []
        passed: list[_Waiting] = []
        rows = 0
        while self._queue:
            one = self._queue.popleft()
            if one.answer.cancelled():
                self._rows -= one.rows
                continue
            if batch and (one.shape != batch[0].shape or rows + one.rows > self.options.max_batch_size):
                passed.append(one)
                if one.shape == batch[0].shape:
                    break
                continue
            batch.append(one)
            rows += one.rows
        self._queue.extendleft(reversed(passed))
        self._rows -= rows
        return batch

    async def _call(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            self.sizes(sum(one.rows for one in batch))
            joined = batch[0].inputs
            if len(batch) > 1:
                joined = {name: np.concatenate([one.inputs[name] for one in batch]) for name in joined}
            outputs = await self.run(joined)
            if len(batch) > 1 and not _joined(outputs, sum(one.rows for one in batch)):
                for one in batch:
                    await self._call([one])
                return
            answers = [outputs] if len(batch) == 1 else _split(outputs, [one.rows for one in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
            refusal = error if isinstance(error, Refusal) else _fault(error)
            if len(batch) > 1 and (refusal is not error or refusal.code is StatusCode.INVALID_ARGUMENT):
                for one in batch:  # one bad request must not spoil the others
                    await self._call([one])
                return
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(Refusal(refusal.code, str(refusal)))
            return
        for one, answer in zip(batch, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)


def _joined(outputs: Arrays, rows: int) -> bool:
    """Whether every output has an item a row: those of a model that sums over its batch cannot be told apart."""
    return all(values.ndim and len(values) == rows for values in outputs.values())


def _split(outputs: Arrays, rows: list[int]) -> list[Arrays]:
    ends = list(itertools.accumulate(rows))
    return [
        {name: values[end - count : end] for name, values in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def _fault(error: Exception) -> Refusal:
    return Refusal(StatusCode.INTERNAL, f"{type(error).__name__}: {str(error)[:200]}")
