"""Record IDs and rounds (API.md sections 1 and 3.1).

A record's ID contains its account group and its round, so that one sent twice is stored once.
"""

import random
import re
import string
from typing import Final, NamedTuple

from hopsight.errors import InvalidValueError

SESSION_ROUND_S: Final = 60
"""Length of a round of user sessions, and so of network and web sessions."""

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SUFFIX_CHARS: Final = 8
_SESSION_ID: Final = re.compile(r"([0-9]{5,18}):([0-9]{1,11}):([0-9A-Za-z]{8})", re.ASCII)

# `$` alone would let a line feed follow: Python's `re` ends a line there.
UUID_PATTERN: Final = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$(?!\n)"
SESSION_ID_PATTERN: Final = r"^[0-9]{5,18}:[0-9]{1,11}:[0-9A-Za-z]{8}$(?!\n)"


class SessionId(NamedTuple):
    """The three parts of ``{aid, zero-padded to 5 or more}:{roundId}:{8 base-62 characters}``."""

    aid: int
    round_id: int
    suffix: str

    def __str__(self) -> str:
        return f"{self.aid:05d}:{self.round_id}:{self.suffix}"


def new_session_id(aid: int, round_id: int, rng: random.Random) -> SessionId:
    """Make an ID for a session of account group ``aid`` in round ``round_id`` (epoch seconds)."""
    return SessionId(aid, round_id, "".join(rng.choices(_BASE62, k=_SUFFIX_CHARS)))


def parse_session_id(text: str, name: str = "userSessionId") -> SessionId:
    """Take a session ID apart; ``name`` is what the dialect calls it.

    Raises:
        InvalidValueError: the text is not the one spelling of an ID (padding to exactly five counts).
    """
    match = _SESSION_ID.fullmatch(text)
    if match is not None:
        parsed = SessionId(int(match[1]), int(match[2]), match[3])
        if str(parsed) == text:
            return parsed
    raise InvalidValueError(name, text, "aid padded to 5 digits:roundId:8 base-62 characters")


def round_of(time_s: float, length_s: int = SESSION_ROUND_S) -> int:
    """The ID of the round that ``time_s`` (epoch seconds) falls into: the second at which it starts."""
    return int(time_s // length_s) * length_s
