"""Changes of endpoint agents (API.md section 3.7): name, state, account group; ours: deleted and restored."""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, post
from litestar.connection import Request
from msgspec import Meta, Struct

from hopsight.errors import InvalidValueError
from hopsight.server.api.acting import WRITERS, require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.bodies import read_csv_body, read_json_body
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, operation
from hopsight.server.api.v6.documents import EndpointAgentsAnswer, TransferAnswer, TransferredAgents
from hopsight.server.api.v6.endpoint_agents import PATH, find_agent, render_agent
from hopsight.server.api.v6.rendering import render
from hopsight.server.api.v6.transfer_lines import read_transfers

_TAG: Final = "Endpoint agents"
_AGENT: Final = Parameter(name="agentId", meaning="ID of the agent", schema={"type": "string"}, where="path")


class NewName(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent is to be called."""

    new_agent_name: Annotated[str, Meta(min_length=1, max_length=255)]


_names: Final = msgspec.json.Decoder(NewName)
_ACCEPTED_NAME: Final = '{"newAgentName": "reception"}'


def _operation(summary: str, *statuses: int, **more: Any) -> Any:
    return operation(
        summary, _TAG, 403, 404, *statuses, parameters=(_AGENT, *COMMON), answer=EndpointAgentsAnswer, **more
    )


_RENAME: Final = _operation("Name an agent", *BODY_STATUSES, body=NewName, body_required=True)
_ENABLE: Final = _operation("Let an agent measure again")
_DISABLE: Final = _operation("Have an agent measure and send nothing; it goes on checking in")
_DELETE: Final = _operation("Delete an agent: hidden and shut out; its sessions stay. Ours")
_RESTORE: Final = _operation("Have a deleted agent back, within seven days. Ours", 409)
_TRANSFER: Final = operation(
    "Move agents between account groups: lines of machine_id,from_aid,to_aid as text/csv or text/plain; "
    "all of them or none; their history stays where it was made",
    _TAG,
    403,
    404,
    *BODY_STATUSES,
    parameters=COMMON,
    answer=TransferAnswer,
)


@post(f"{PATH}/{{agentId:str}}", status_code=200, opt=described(_RENAME))
async def rename_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Rename, and answer with the agent."""
    asked = await ask(request)
    by = require_writer(asked)
    body = await read_json_body(request.scope, request.receive)
    try:
        wanted = _names.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValueError("body", str(error) or "nested too deeply", _ACCEPTED_NAME) from None
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.rename_agent(asked.aid, agent.agent_id, wanted.new_agent_name, by)
    return _changed(asked, agent.agent_id)


@post(f"{PATH}/{{agentId:str}}/enable", status_code=200, opt=described(_ENABLE))
async def enable_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Enable, and answer with the agent."""
    return await _switched(request, enabled=True)


@post(f"{PATH}/{{agentId:str}}/disable", status_code=200, opt=described(_DISABLE))
async def disable_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Disable, and answer with the agent."""
    return await _switched(request, enabled=False)


@delete(f"{PATH}/{{agentId:str}}", status_code=200, opt=described(_DELETE))
async def delete_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Delete, and answer with the agent as it is now."""
    asked = await ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.delete_agent(asked.aid, agent.agent_id, by)
    return _changed(asked, agent.agent_id)


@post(f"{PATH}/{{agentId:str}}/restore", status_code=200, opt=described(_RESTORE))
async def restore_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Restore, and answer with the agent."""
    asked = await ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.restore_agent(asked.aid, agent.agent_id, by)
    return _changed(asked, agent.agent_id)


@post(f"{PATH}/transfer", status_code=200, opt=described(_TRANSFER))
async def transfer_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Move, and answer with how many moved."""
    asked = await ask(request)
    # Which account groups count is in the body: who writes nowhere is told so before it is read.
    writable = (aid for aid, role in asked.principal.roles.items() if role in WRITERS)
    by = require_writer(asked, next(writable, None))
    moves = read_transfers(await read_csv_body(request.scope, request.receive), asked.principal)
    asked.services.accounts.transfer_agents(moves, by)
    answer = TransferAnswer(endpoint_agents_transfer=TransferredAgents(machine_count=len(moves)))
    return render(asked.scope, asked.format, answer)


async def _switched(request: Request[Any, Any, Any], *, enabled: bool) -> Answer:
    asked = await ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.set_agent_enabled(asked.aid, agent.agent_id, enabled=enabled, by=by)
    return _changed(asked, agent.agent_id)


def _changed(asked: Asked, agent_id: str) -> Answer:
    return render_agent(asked, find_agent(asked, agent_id))


HANDLERS: Final = (
    rename_endpoint_agent,
    enable_endpoint_agent,
    disable_endpoint_agent,
    delete_endpoint_agent,
    restore_endpoint_agent,
    transfer_endpoint_agents,
)
