"""What a measurement found, as API documents (API.md sections 3.1 to 3.3)."""

import random
from decimal import ROUND_HALF_UP, Decimal

from hopsight.agent.measurement import Measurement
from hopsight.model.ids import new_session_id, round_of
from hopsight.model.sessions import Destination, NetworkSession
from hopsight.model.times import format_utc


def destination(measurement: Measurement) -> Destination | None:
    """The API's ``destination``: what was not measured is absent; without an address there is none."""
    if measurement.address is None:
        return None
    ping = measurement.ping
    times = ping.statistics if ping is not None else None
    return Destination(
        target=measurement.address,
        loss_percent=ping.loss_percent if ping is not None else None,
        latency_ms=_whole(times.avg_rtt_ms) if times is not None else None,
        jitter_ms=_whole(times.mean_dev_rtt_ms) if times is not None else None,
        avg_rtt_ms=times.avg_rtt_ms if times is not None else None,
        max_rtt_ms=times.max_rtt_ms if times is not None else None,
        mean_dev_rtt_ms=times.mean_dev_rtt_ms if times is not None else None,
    )


def network_session(
    measurement: Measurement, aid: int, agent_id: str, rng: random.Random
) -> NetworkSession | None:
    """The record of a measurement, in the round in which its window started.

    Returns:
        None when the name did not resolve, or the machine slept.
    """
    found = destination(measurement)
    if found is None or measurement.asleep:
        return None
    round_id = round_of(measurement.started_at_s)
    return NetworkSession(
        user_session_id=str(new_session_id(aid, round_id, rng)),
        agent_id=agent_id,
        round_id=round_id,
        date=format_utc(measurement.started_at_s),
        destination=found,
        system_metrics=measurement.system_metrics,
    )


def _whole(milliseconds: float) -> int:
    # Decimal, because adding 0.5 rounds 0.49999999999999994 up.
    return int(Decimal(milliseconds).to_integral_value(ROUND_HALF_UP))
