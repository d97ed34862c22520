"""What agents call: enrolment, configuration, upload (contract: ``model/upload.py``).

Handlers take the request raw and decode it themselves: a framework that decodes for them does it twice.
"""

import asyncio
import hashlib
from collections import Counter
from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException
from litestar.types import Scope

from hopsight.errors import (
    AuthenticationError,
    ErasedError,
    InvalidValueError,
    PermissionDeniedError,
)
from hopsight.model.accounts import AgentPrincipal
from hopsight.model.upload import (
    MAX_BODY_BYTES,
    MAX_DECODED_BYTES,
    AgentConfiguration,
    Enrolment,
    UploadAnswer,
)
from hopsight.server.api.answers import Answer
from hopsight.server.api.visits import header
from hopsight.server.auth import admit_agent, admit_key, refused, source_address
from hopsight.server.bodies import Body, BodyLimits, read_body
from hopsight.server.checks import sender_of
from hopsight.server.ingest import Checked, check_batch
from hopsight.server.services import Services
from hopsight.storage.store import Added

UPLOAD_LIMITS: Final = BodyLimits(MAX_BODY_BYTES, MAX_DECODED_BYTES)
ENROLMENT_LIMITS: Final = BodyLimits(64 << 10, 64 << 10)
RETRY_AFTER_S: Final = 5

_AGENT_CREDENTIALS: Final = "HTTP Basic with agent ID and secret of an agent that was not erased"
_enrolments: Final = msgspec.json.Decoder(Enrolment)
_encode: Final = msgspec.json.Encoder().encode


@post("/agent/v1/enrol")
async def enrol(request: Request[Any, Any, Any]) -> Answer:
    """An agent asks to be known; asking again gives the same answer."""
    services: Services = request.app.state.services
    key = await admit_key(request.scope, services)
    body = await read_body(request.scope, request.receive, ENROLMENT_LIMITS)
    try:
        enrolment = _enrolments.decode(body.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        accepted = "an Enrolment in JSON (/openapi.json describes it)"
        raise InvalidValueError("enrolment", str(error), accepted) from None
    address = source_address(request.scope) or None
    try:
        answer = services.accounts.enrol(key, enrolment, address)
    except AuthenticationError:
        raise await refused(
            request.scope, services, "Authorization: Bearer with an account group key"
        ) from None
    return Answer(_encode(answer))


@get("/agent/v1/configuration")
async def configuration(request: Request[Any, Any, Any]) -> Answer:
    """What the server wants of an agent; asking is how a disabled one learns that it is enabled again."""
    services: Services = request.app.state.services
    agent = await admit_agent(request.scope, services)
    address = source_address(request.scope) or None
    services.accounts.agent_seen(agent.agent_id, address)
    wanted = _encode(
        AgentConfiguration(
            enabled=agent.enabled,
            targets=services.accounts.targets_of(agent),
            poll_s=services.config.agent_poll_s,
            public_address=address,
            public_ip_range=services.atlas.range_of(address),
            aid=agent.aid,
        )
    )
    tag = f'"{hashlib.sha256(wanted).hexdigest()[:32]}"'
    known = {given.strip().removeprefix("W/") for given in header(request.scope, b"if-none-match").split(",")}
    if tag in known or "*" in known:
        return Answer(b"", status=304, headers=((b"etag", tag.encode()),))
    return Answer(wanted, headers=((b"etag", tag.encode()),))


@post("/agent/v1/upload", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> Answer:
    """Take a batch of records; what is acknowledged is on disk, and sending it again changes nothing."""
    services: Services = request.app.state.services
    agent = await admit_agent(request.scope, services)
    if not agent.enabled:
        raise PermissionDeniedError("This agent is disabled; accepted: nothing until it is enabled again")
    return Answer(_encode(await _take(agent, request.scope, request.receive, services)))


async def _take(agent: AgentPrincipal, scope: Scope, receive: Any, services: Services) -> UploadAnswer:
    address = source_address(scope) or None
    checked = await _read_batch(agent, address, scope, receive, services)
    try:
        added = await _store(checked, services)
    except ErasedError:
        # It was let in before its data was erased: from now on it is not.
        raise await refused(scope, services, _AGENT_CREDENTIALS) from None
    services.live.stored(checked.records)
    services.accounts.agent_seen(agent.agent_id, address, checked.info, checked.network_id)
    _count(agent.agent_id, checked, added, services)
    return UploadAnswer(
        stored=sum(each.stored for each in added.values()),
        duplicates=sum(each.duplicates for each in added.values()),
        refused=checked.refused,
        public_address=address,
        public_ip_range=services.atlas.range_of(address),
    )


async def _read_batch(
    agent: AgentPrincipal, address: str | None, scope: Scope, receive: Any, services: Services
) -> Checked:
    # Apart, so that no body is held, up to 32 MiB of it, while its records wait to be written: how many of
    # those there are is bounded by the store, which knows how long it takes.
    if services.upload_slots.locked():
        raise _busy()
    async with services.upload_slots:
        body = await read_body(scope, receive, UPLOAD_LIMITS)
        return _checked(agent, address, body, services)


def _checked(agent: AgentPrincipal, address: str | None, body: Body, services: Services) -> Checked:
    services.metrics.body_received(body.wire_bytes, len(body.content))
    keep_s = services.config.keep_s
    now_s = services.clock.now()
    sender = sender_of(agent.agent_id, agent.aid, now_s, keep_s, address, agent.former_aids)
    return check_batch(body.content, sender, services.atlas)


async def _store(checked: Checked, services: Services) -> dict[str, Added]:
    """Keep every kind's records, together, so that they may share one commit.

    When one kind cannot be stored nothing is acknowledged; the others may be on disk by then, and are
    duplicates when the agent sends the batch again.
    """
    kinds = list(checked.records)
    done = await asyncio.gather(
        *(services.store.add(kind, checked.records[kind]) for kind in kinds), return_exceptions=True
    )
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return {kind: added for kind, added in zip(kinds, done, strict=True) if isinstance(added, Added)}


def _count(agent_id: str, checked: Checked, added: dict[str, Added], services: Services) -> None:
    refused = Counter(refusal.kind for refusal in checked.refused)
    for kind in {*added, *refused}:
        done = added.get(kind, Added(0, 0))
        services.metrics.ingested(kind, stored=done.stored, duplicates=done.duplicates, refused=refused[kind])
    services.metrics.batch_acknowledged()
    if checked.usage is not None:
        services.metrics.agents.reported(agent_id, checked.usage)


def _busy() -> HTTPException:
    detail = f"Too many uploads under way; try again in {RETRY_AFTER_S} s"
    return HTTPException(status_code=429, detail=detail, headers={"Retry-After": str(RETRY_AFTER_S)})


HANDLERS: Final[list[Any]] = [enrol, configuration, upload]
