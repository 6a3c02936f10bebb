"""Answers that were given before, kept within a room and for a time; the same question always has the same answer."""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
from cachetools import TTLCache

from deepstack.serving.server.frames import Arrays

OVERHEAD_BYTES = 512
"""Of an answer beside its arrays."""


class ResponseCache:
    """Outputs by model version, signature and the content of the inputs.

    Args:
        room_bytes: of all answers; those not asked for longest go first. 0 keeps nothing.
        ttl_s: seconds that an answer is kept.

    Attributes:
        hits, misses: questions whose answer was there, and the others.
    """

    def __init__(self, room_bytes: int = 0, ttl_s: float = 60.0) -> None:
        self.room_bytes = room_bytes
        self.hits = self.misses = 0
        self._kept: TTLCache[bytes, Arrays] = TTLCache(room_bytes, ttl_s, getsizeof=_size)

    def key(self, serial: int, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes | None:
        """Of a question to the version of that serial number; None where nothing is kept."""
        if not self.room_bytes:
            return None
        said = blake2b(repr((serial, signature)).encode(), digest_size=20)
        for name, array in sorted(inputs.items()):
            said.update(repr((name, array.dtype.str, array.shape)).encode())
            if array.dtype == object:
                for item in array.ravel():
                    said.update(len(item).to_bytes(8, "little") + item)
            else:
                said.update(np.ascontiguousarray(array).tobytes())
        return said.digest()

    def get(self, key: bytes | None) -> Arrays | None:
        """What was answered; None where it is not known any more."""
        if key is None:
            return None
        found = self._kept.get(key)
        self.hits, self.misses = self.hits + (found is not None), self.misses + (found is None)
        return found

    def put(self, key: bytes | None, outputs: Arrays) -> None:
        """Keep an answer that fits."""
        if key is not None and _size(outputs) <= self.room_bytes:
            # Copies: a part of a batch's answer would keep the whole in memory.
            self._kept[key] = {name: array.copy() for name, array in outputs.items()}

    def clear(self) -> None:
        """Forget all, as when a version goes."""
        self._kept.clear()


def _size(outputs: Arrays) -> int:
    return OVERHEAD_BYTES + sum(
        array.nbytes if array.dtype != object else sum(64 + len(item) for item in array.ravel())
        for array in outputs.values()
    )
