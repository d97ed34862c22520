"""User sessions as they are uploaded: the list item, and apart from it the detail."""

from typing import Final

from msgspec import structs

from hopsight.errors import InvalidValueError
from hopsight.model.dimensions import USER_SESSIONS
from hopsight.model.query import Record
from hopsight.model.score import score_of
from hopsight.model.upload import UserSessionRecord
from hopsight.model.user_sessions import SessionDetail, UserSession
from hopsight.server.addresses import canonical_address, with_canonical_addresses
from hopsight.server.checks import Sender, canonical_site, fault_of
from hopsight.server.kinds.contract import BatchDimensions, KindCheck, Numbers, encode, numbers_of
from hopsight.server.places.filling import fill_session


def check_user_session(given: UserSessionRecord, sender: Sender, dimensions: BatchDimensions) -> Record | str:
    """What is stored of one; a text: why it cannot be."""
    session = given.document
    fault = fault_of("userSessionId", session.user_session_id, session, sender)
    if fault is not None:
        return fault
    address = None if given.destination_ip is None else canonical_address(given.destination_ip)
    if address is None and given.destination_ip is not None:
        return "destinationIp: not an IP address"
    numbers = _numbers(given.detail)
    if isinstance(numbers, str):
        return numbers
    verdict = given.detail.verdict.result if given.detail.verdict else None
    known = dimensions[given.context, session.visited_site, address, given.trigger, verdict]
    if isinstance(known, str):
        return known
    try:
        said = with_canonical_addresses(given.detail)
    except InvalidValueError as error:
        return f"detail.{error.name}: not an IP address"
    origin, atlas = dimensions.origin_of(given.context), dimensions.atlas
    return Record(
        aid=sender.aid,
        round_id=session.round_id,
        record_id=session.user_session_id,
        dimensions=known,
        loss_percent=numbers.loss_percent,
        latency_ms=numbers.latency_ms,
        jitter_ms=numbers.jitter_ms,
        body=encode(_stamped(session, given.detail, sender, origin.organization(sender.address, atlas))),
        detail=encode(fill_session(said, origin, atlas)),
    )


def _stamped(
    session: UserSession, detail: SessionDetail, sender: Sender, org_name: str | None
) -> UserSession:
    """With what only the server knows, whatever the agent says of it."""
    score = score_of(detail)
    return structs.replace(
        session,
        visited_site=canonical_site(session.visited_site) or session.visited_site,
        committed=sender.committed,
        source_addr=sender.address,
        org_name=session.org_name or org_name,
        experience_score=score.value if score is not None else None,
    )


def _numbers(detail: SessionDetail) -> Numbers | str:
    """Of the probes; of a session that was watched, its lowest RTT: all else has delayed answers in it."""
    if detail.passive is not None and detail.network.ping is None:
        return Numbers(latency_ms=detail.passive.min_rtt_ms)
    return numbers_of(detail.network.ping, "detail.network.ping")


CHECK: Final = KindCheck(
    kind=USER_SESSIONS, list_name="user_sessions", record=UserSessionRecord, check=check_user_session
)
