"""Ids of predictions: UUIDs of version 7 (RFC 9562), which sort by time, so the log's index grows at its end."""

import os
import time
from collections.abc import Iterator
from typing import Final

RANDOM_BITS: Final = 74
BYTES: Final = 10
IDS_PER_CALL: Final = 256  # asking the system for randomness can cost more than the rest of the id


class PredictionIds:
    """Gives ids nobody can guess; for one thread."""

    def __init__(self) -> None:
        self._random = _random()

    def new(self) -> str:
        """48 bits of milliseconds since 1970, the version, 12 random bits, the variant, 62 random bits."""
        milliseconds, random = time.time_ns() // 1_000_000, next(self._random)
        value = milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
        digits = f"{value:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _random() -> Iterator[int]:
    while True:
        pool = os.urandom(BYTES * IDS_PER_CALL)
        for start in range(0, len(pool), BYTES):
            yield int.from_bytes(pool[start : start + BYTES]) >> 8 * BYTES - RANDOM_BITS
