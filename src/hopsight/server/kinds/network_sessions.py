"""Network sessions as they are uploaded: by far the most of all records, so nothing here is done twice."""

from typing import Final

from msgspec import structs

from hopsight.model.dimensions import NETWORK_SESSIONS
from hopsight.model.query import Record
from hopsight.model.sessions import NetworkSession
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
        body=encode(_canonical(session, address)),
    )


def _canonical(session: NetworkSession, address: str) -> NetworkSession:
    if address == session.destination.target:
        return session
    return structs.replace(session, destination=structs.replace(session.destination, target=address))


def _or(precise: float | None, whole: int | None) -> float | None:
    return precise if precise is not None or whole is None else float(whole)


CHECK: Final = KindCheck(
    kind=NETWORK_SESSIONS,
    list_name="network_sessions",
    record=NetworkSessionRecord,
    check=check_network_session,
)
