"""Which targets are due in a round: each once in its interval, at a phase of each agent's own."""

import hashlib
from collections.abc import Iterable
from typing import Final

from hopsight.model.agents import Target
from hopsight.model.ids import SESSION_ROUND_S

CATCH_UP_ROUNDS: Final = 5
"""Rounds that were missed and are made up for. More would be a burst: after a night's sleep, all at once."""


def due(targets: Iterable[Target], agent_id: str, round_id: int, previous: int | None) -> list[Target]:
    """The targets whose turn came after the round ``previous``, up to ``round_id``.

    Args:
        targets: all there are.
        agent_id: the phase depends on it and on the target alone, so it outlives a restart.
        round_id: the round that starts now.
        previous: the last one that was run; None: this is the first.
    """
    since = round_id - SESSION_ROUND_S
    if previous is not None and previous < round_id:
        since = max(previous, round_id - CATCH_UP_ROUNDS * SESSION_ROUND_S)
    return [
        target for target in targets if _turn(target, agent_id, since) != _turn(target, agent_id, round_id)
    ]


def _turn(target: Target, agent_id: str, round_id: int) -> int:
    rounds = target.interval_s // SESSION_ROUND_S
    name = f"{agent_id} {target.host} {target.port} {target.protocol}"
    phase = int.from_bytes(hashlib.blake2s(name.encode(), digest_size=8).digest(), "big") % rounds
    return (round_id // SESSION_ROUND_S + phase) // rounds
