"""Network sessions as they are uploaded: by far the most of all records, so nothing here is done twice."""

from typing import Final

from msgspec import structs

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Record
from hopsight.model.sessions import Destination, ProbedNetworkSession
from hopsight.model.upload import NetworkSessionRecord
from hopsight.server.addresses import canonical_address
from hopsight.server.checks import Sender, fault_of
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, encode


def check_network_session(
    given: NetworkSessionRecord, sender: Sender, dimensions: BatchDimensions
) -> Record | str:
    """What is stored of one; a text: why it cannot be."""
    session = given.document
    fault = fault_of("userSessionId", session.user_session_id, session, sender)
    if fault is not None:
        return fault
    destination = session.destination
    address = canonical_address(destination.target)
    if address is None:
        return "destination.target: not an IP address"
    stretches = _stretches(session)
    if isinstance(stretches, str):
        return stretches
    known = dimensions[given.context, given.visited_site, address, given.trigger, None]
    if isinstance(known, str):
        return known
    return Record(
        aid=sender.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=known,
        loss_percent=destination.loss_percent,
        latency_ms=_or(destination.avg_rtt_ms, destination.latency_ms),
        jitter_ms=_or(destination.mean_dev_rtt_ms, destination.jitter_ms),
        body=encode(_canonical(session, address, stretches)),
    )


def _stretches(session: ProbedNetworkSession) -> dict[str, Destination] | str:
    """The way before the destination, addresses in the one spelling; a text: one of them is none."""
    # Most sessions have neither: those cost two comparisons.
    if session.vpn is None and session.proxy is None:
        return {}
    found = {}
    for name, given in (("vpn", session.vpn), ("proxy", session.proxy)):
        if given is not None:
            address = canonical_address(given.target)
            if address is None:
                return f"{name}.target: not an IP address"
            found[name] = structs.replace(given, target=address)
    return found


def _canonical(
    session: ProbedNetworkSession, address: str, stretches: dict[str, Destination]
) -> ProbedNetworkSession:
    if address == session.destination.target and not stretches:
        return session
    destination = structs.replace(session.destination, target=address)
    return structs.replace(session, destination=destination, **stretches)


def _or(precise: float | None, whole: int | None) -> float | None:
    return precise if precise is not None or whole is None else float(whole)


CHECK: Final = KindCheck(
    kind=NETWORK_SESSIONS,
    list_name="network_sessions",
    record=NetworkSessionRecord,
    check=check_network_session,
)
