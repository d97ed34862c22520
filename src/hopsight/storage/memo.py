"""What was worked out of something that stays as it is, by what it was worked out from."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

MEMO_BYTES: Final = 32 << 20
"""Most memory for what one piece remembers, but for what was asked for last."""

Array = TypeVar("Array", bound=NDArray[np.generic])


class Memo:
    """Arrays by key, those that were used last; nobody may write to them."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, NDArray[np.generic]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], Array]) -> Array:
        """What is known under a key; else it is made."""
        if key in self._known:
            self._known.move_to_end(key)
            found: Array = self._known[key]  # type: ignore[assignment]
            return found
        made = make()
        made.setflags(write=False)
        self._known[key] = made
        self._bytes += made.nbytes
        while self._bytes > MEMO_BYTES and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.nbytes
        return made


def digest_of(*arrays: NDArray[np.generic]) -> bytes:
    """What stands for the content of arrays in a key."""
    digest = hashlib.blake2b(digest_size=16)
    for each in arrays:
        digest.update(b"%d." % each.nbytes)
        digest.update(np.ascontiguousarray(each).data)
    return digest.digest()
