"""What administrators do to endpoint agents in version 7."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from litestar import delete, get, patch, post
from litestar.connection import Request
from msgspec import Meta, Struct, field

from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import HopsightError, InvalidValueError
from hopsight.model.ids import UUID_PATTERN
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.body_readers import BodyReader
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import described
from hopsight.server.api.errors import describe_error
from hopsight.server.api.v7.agent_documents import AgentDetail
from hopsight.server.api.v7.asking import Asked, answer, ask, self_links
from hopsight.server.api.v7.descriptions import BODY_STATUSES, operation
from hopsight.server.api.v7.documents import Links
from hopsight.server.api.v7.endpoint_agents import AGENT, EXPAND, PATH, TAG, answer_agent, find_agent
from hopsight.server.auth import choose_account_group
from hopsight.server.connection_strings import new_connection_string

MAX_TRANSFERS: Final = 1_000


class AgentUpdate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent is to be called."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]


class AgentTransferRequest(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an agent is to go."""

    to_aid: Annotated[str, Meta(min_length=1, max_length=20)]


class AgentTransfer(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent that is to go from one account group to another.

    ``agent_id`` may be absent in a body, and that one is refused alone: release 6.0.0 of the official SDK
    leaves it out of what it sends.
    """

    agent_id: Annotated[str, Meta(pattern=UUID_PATTERN)] | None = None
    from_aid: Annotated[str, Meta(min_length=1, max_length=20)]
    to_aid: Annotated[str, Meta(min_length=1, max_length=20)]


class BulkTransferRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Agents that are to go elsewhere."""

    transfers: Annotated[tuple[AgentTransfer, ...], Meta(min_length=1, max_length=MAX_TRANSFERS)]


class TransferStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one of them: 202, or an error."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request: AgentTransfer


class BulkTransferAnswer(Struct, frozen=True, kw_only=True):
    """What became of each."""

    items: list[TransferStatus]


class ConnectionStringAnswer(Struct, rename="camel", frozen=True, kw_only=True):
    """What an agent needs to find this server and be let in."""

    connection_string: str
    links: Links = field(name="_links")


_updates: Final = BodyReader(AgentUpdate, '{"name": "reception"}')
_transfers: Final = BodyReader(AgentTransferRequest, '{"toAid": "2"}')
_bulk: Final = BodyReader(
    BulkTransferRequest,
    '{"transfers": [{"agentId": "236e6f18-9637-4a2f-b15f-7aa6a29c9fce", "fromAid": "1", "toAid": "2"}]}',
)


def _operation(summary: str, *statuses: int, **more: Any) -> Any:
    parameters = (AGENT, ACCOUNT_GROUP, EXPAND)
    return operation(
        summary, TAG, 403, 404, *statuses, **{"parameters": parameters, "answer": AgentDetail} | more
    )


_UPDATE: Final = _operation("Name an agent", *BODY_STATUSES, body=AgentUpdate, body_required=True)
_DELETE: Final = _operation(
    "Delete an agent: hidden and shut out; its tests stay",
    parameters=(AGENT, ACCOUNT_GROUP),
    answer=None,
    success=204,
)
_ENABLE: Final = _operation("Let an agent measure again")
_DISABLE: Final = _operation("Have an agent measure and send nothing; it goes on checking in")
_TRANSFER: Final = _operation(
    "Move an agent to another account group; its history stays where it was made",
    *BODY_STATUSES,
    parameters=(AGENT, ACCOUNT_GROUP),
    body=AgentTransferRequest,
    body_required=True,
    answer=None,
    success=202,
)
_BULK: Final = operation(
    "Move agents between account groups; the answer says what became of each",
    TAG,
    403,
    *BODY_STATUSES,
    parameters=(ACCOUNT_GROUP,),
    body=BulkTransferRequest,
    body_required=True,
    answer=BulkTransferAnswer,
    success=207,
)
_CONNECTION_STRING: Final = operation(
    "A new connection string for agents of the account group. Keys are kept hashed, so each answer has a new "
    "one; the earlier ones go on working until they are deleted",
    TAG,
    403,
    409,
    parameters=(ACCOUNT_GROUP,),
    answer=ConnectionStringAnswer,
)


@patch(f"{PATH}/{{agentId:str}}", opt=described(_UPDATE))
async def update_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Rename an agent, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    wanted = await _updates.read(request)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.rename_agent(asked.aid, agent.agent_id, wanted.name, by)
    return answer_agent(asked, find_agent(asked, agent.agent_id))


@delete(f"{PATH}/{{agentId:str}}", status_code=200, opt=described(_DELETE))
async def delete_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Delete an agent, with 204: the answer says so, since a route may not declare it."""
    asked = await ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.delete_agent(asked.aid, agent.agent_id, by)
    return Answer(b"", status=HTTPStatus.NO_CONTENT)


@post(f"{PATH}/{{agentId:str}}/enable", status_code=200, opt=described(_ENABLE))
async def enable_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Let an agent measure again, and answer with it."""
    return await _switched(request, enabled=True)


@post(f"{PATH}/{{agentId:str}}/disable", status_code=200, opt=described(_DISABLE))
async def disable_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Have an agent measure nothing, and answer with it."""
    return await _switched(request, enabled=False)


@post(f"{PATH}/{{agentId:str}}/transfer", status_code=202, opt=described(_TRANSFER))
async def transfer_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Move one; it is done when this is answered."""
    asked = await ask(request)
    require_writer(asked)
    wanted = await _transfers.read(request)
    agent = find_agent(asked, request.path_params["agentId"])
    _transfer(asked, agent.agent_id, str(asked.aid), wanted.to_aid)
    return Answer(b"", asked.media_type.encode(), status=HTTPStatus.ACCEPTED)


@post(f"{PATH}/transfer/bulk", status_code=207, opt=described(_BULK))
async def transfer_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Move each that may be moved, and say what became of it."""
    asked = await ask(request)
    require_writer(asked)
    wanted = await _bulk.read(request)
    items = [_status(asked, each) for each in wanted.transfers]
    return answer(asked, BulkTransferAnswer(items=items), status=HTTPStatus.MULTI_STATUS)


@get(f"{PATH}/connection-string", opt=described(_CONNECTION_STRING))
async def read_connection_string(request: Request[Any, Any, Any]) -> Answer:
    """Make one, and answer with it."""
    asked = await ask(request)
    by = require_writer(asked)
    text = new_connection_string(asked.scope, asked.services, asked.aid, by)
    links = self_links(asked, f"{PATH}/connection-string")
    return answer(asked, ConnectionStringAnswer(connection_string=text, links=links))


async def _switched(request: Request[Any, Any, Any], *, enabled: bool) -> Answer:
    asked = await ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.set_agent_enabled(asked.aid, agent.agent_id, enabled=enabled, by=by)
    return answer_agent(asked, find_agent(asked, agent.agent_id))


def _transfer(asked: Asked, agent_id: str, from_aid: str, to_aid: str) -> None:
    aids = [choose_account_group(asked.principal, aid, "/v7/account-groups") for aid in (from_aid, to_aid)]
    by, _ = (require_writer(asked, aid) for aid in aids)
    asked.services.accounts.transfer_agents([Transfer(agent_id, *aids)], by)


def _status(asked: Asked, wanted: AgentTransfer) -> TransferStatus:
    status, detail = HTTPStatus.ACCEPTED, None
    try:
        if wanted.agent_id is None:
            raise InvalidValueError("agentId", "(none)", "the ID of an agent")
        _transfer(asked, wanted.agent_id, wanted.from_aid, wanted.to_aid)
    except HopsightError as error:
        described = describe_error(error)
        if described is None or described.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        status, detail = HTTPStatus(described.status), described.message
    return TransferStatus(
        type="about:blank", title=status.phrase, status=status, detail=detail, request=wanted
    )


HANDLERS: Final = (
    update_endpoint_agent,
    delete_endpoint_agent,
    enable_endpoint_agent,
    disable_endpoint_agent,
    transfer_endpoint_agent,
    transfer_endpoint_agents,
    read_connection_string,
)
