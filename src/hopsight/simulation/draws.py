"""Reproducible chance: what happens to an agent in a round depends on the seed and on nothing else.

A hash instead of a random generator, so that every record can be made alone, in any order, by any run.
"""

import hashlib
import math
import struct
from collections.abc import Callable
from typing import Final

DRAWS: Final = 16
"""Numbers in one draw."""
_UNIFORMS: Final = struct.Struct(f"<{DRAWS}I").unpack
_SCALE: Final = 1.0 / (1 << 32)

_STEPS: Final = 1024
EXPONENTIAL: Final = tuple(-math.log(1 - (step + 0.5) / _STEPS) for step in range(_STEPS))
"""Quantiles of the exponential distribution with mean 1, by ten bits."""

Draw = Callable[[bytes], tuple[int, ...]]
"""From the name of an event to its 16 numbers of 32 bits."""


def draws_of(seed: int, purpose: str) -> Draw:
    """The source of chance of one purpose."""
    start = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=64)

    def draw(event: bytes) -> tuple[int, ...]:
        state = start.copy()
        state.update(event)
        return _UNIFORMS(state.digest())

    return draw


def uniform(number: int, low: float, high: float) -> float:
    """Between ``low`` and ``high``, evenly, by one number of a draw."""
    return low + (high - low) * number * _SCALE


def exponential(number: int) -> float:
    """With mean 1 and a long tail, by one number of a draw."""
    return EXPONENTIAL[number & 1023]
