"""What the time of day and bad luck do: load of lines, people at work, outages."""

import math
from typing import Final

from msgspec import Struct

from hopsight.simulation.draws import draws_of, uniform
from hopsight.simulation.fleet import SimulatedAgent
from hopsight.simulation.world import PROVIDERS, Place

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
OUTAGE_BLOCK_S: Final = 4 * _HOUR_S
"""One provider fails once in each block of this length."""


class Outage(Struct, frozen=True):
    """A provider that does not answer for a while, epoch seconds, end exclusive."""

    provider: int
    start_s: int
    end_s: int


def local_hour(place: Place, time_s: int) -> float:
    """Hour of the day at a place, 0..24."""
    return ((time_s + place.utc_offset_h * _HOUR_S) % _DAY_S) / _HOUR_S


def is_weekend(place: Place, time_s: int) -> bool:
    """Whether it is Saturday or Sunday there (the epoch began on a Thursday)."""
    return ((time_s + place.utc_offset_h * _HOUR_S) // _DAY_S + 3) % 7 >= 5  # noqa: PLR2004 - Saturday is day 5


def load_at(hour: float, *, at_home: bool) -> float:
    """How busy lines are, 0..1: offices around noon, homes in the evening."""
    peak_h, width_h = (20.5, 3.0) if at_home else (13.5, 3.5)
    return 0.05 + 0.95 * math.exp(-(((hour - peak_h) / width_h) ** 2))


def works_at(agent: SimulatedAgent, time_s: int) -> bool:
    """Whether the agent's machine is on and its owner there."""
    always_on_h = 24
    length_h = agent.ends_h - agent.starts_h
    if length_h >= always_on_h:
        return True
    since_start_h = (local_hour(agent.place, time_s) - agent.starts_h) % always_on_h
    return since_start_h < length_h and (agent.at_home or not is_weekend(agent.place, time_s))


def outage_in(seed: int, time_s: int) -> Outage:
    """The one outage of the block that this time lies in; it may be over, or still to come."""
    block = time_s // OUTAGE_BLOCK_S
    draw = draws_of(seed, "outage")(b"%d" % block)
    length_s = int(uniform(draw[0], 15 * 60, 45 * 60))
    start_s = block * OUTAGE_BLOCK_S + int(uniform(draw[1], 0, OUTAGE_BLOCK_S - length_s))
    return Outage(draw[2] % PROVIDERS, start_s, start_s + length_s)
