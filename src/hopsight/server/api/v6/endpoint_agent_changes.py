"""Changes of endpoint agents (API.md section 3.7): name, state, account group; ours: deleted and restored."""

import csv
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, post
from litestar.connection import Request
from msgspec import Meta, Struct

from hopsight.accounts.agent_changes import Transfer
from hopsight.errors import InvalidValueError
from hopsight.model.ids import UUID_PATTERN
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.bodies import read_csv_body, read_json_body
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, operation
from hopsight.server.api.v6.documents import EndpointAgentsAnswer, TransferAnswer, TransferredAgents
from hopsight.server.api.v6.endpoint_agents import PATH, find_agent, render_agent
from hopsight.server.api.v6.rendering import render
from hopsight.server.auth import choose_account_group

MAX_TRANSFERS: Final = 10_000

_TAG: Final = "Endpoint agents"
_HEADING: Final = ["machine_id", "from_aid", "to_aid"]
_AGENT: Final = Parameter(name="agentId", meaning="ID of the agent", schema={"type": "string"}, where="path")


class NewName(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agent is to be called."""

    new_agent_name: Annotated[str, Meta(min_length=1, max_length=255)]


class _Line(Struct, frozen=True, kw_only=True):
    agent_id: Annotated[str, Meta(pattern=UUID_PATTERN)]
    from_aid: str
    to_aid: str


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
    asked = ask(request)
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
    return _switched(request, enabled=True)


@post(f"{PATH}/{{agentId:str}}/disable", status_code=200, opt=described(_DISABLE))
async def disable_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Disable, and answer with the agent."""
    return _switched(request, enabled=False)


@delete(f"{PATH}/{{agentId:str}}", status_code=200, opt=described(_DELETE))
async def delete_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Delete, and answer with the agent as it is now."""
    asked = ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.delete_agent(asked.aid, agent.agent_id, by)
    return _changed(asked, agent.agent_id)


@post(f"{PATH}/{{agentId:str}}/restore", status_code=200, opt=described(_RESTORE))
async def restore_endpoint_agent(request: Request[Any, Any, Any]) -> Answer:
    """Restore, and answer with the agent."""
    asked = ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.restore_agent(asked.aid, agent.agent_id, by)
    return _changed(asked, agent.agent_id)


@post(f"{PATH}/transfer", status_code=200, opt=described(_TRANSFER))
async def transfer_endpoint_agents(request: Request[Any, Any, Any]) -> Answer:
    """Move, and answer with how many moved."""
    asked = ask(request)
    by = require_writer(asked)
    moves = _moves(await read_csv_body(request.scope, request.receive), asked)
    for aid in {aid for move in moves for aid in (move.from_aid, move.to_aid)}:
        require_writer(asked, aid)
    asked.services.accounts.transfer_agents(moves, by)
    answer = TransferAnswer(endpoint_agents_transfer=TransferredAgents(machine_count=len(moves)))
    return render(asked.scope, asked.format, answer)


def _switched(request: Request[Any, Any, Any], *, enabled: bool) -> Answer:
    asked = ask(request)
    by = require_writer(asked)
    agent = find_agent(asked, request.path_params["agentId"])
    asked.services.accounts.set_agent_enabled(asked.aid, agent.agent_id, enabled=enabled, by=by)
    return _changed(asked, agent.agent_id)


def _changed(asked: Asked, agent_id: str) -> Answer:
    return render_agent(asked, find_agent(asked, agent_id))


def _moves(text: str, asked: Asked) -> list[Transfer]:
    """The lines of a transfer.

    Raises:
        InvalidValueError: one of them is wrong (it is named), or there are none, or too many.
    """
    moves = []
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error as error:
        raise InvalidValueError("body", str(error), "machine_id,from_aid,to_aid") from None
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line]
        if any(cells) and not (number == 1 and [cell.lower() for cell in cells] == _HEADING):
            moves.append(_move(number, cells, asked))
    if not 0 < len(moves) <= MAX_TRANSFERS:
        raise InvalidValueError("number of lines", len(moves), f"1 to {MAX_TRANSFERS}")
    if len({move.agent_id for move in moves}) < len(moves):
        raise InvalidValueError("machine_id", "one that comes twice", "each machine once")
    return moves


def _move(number: int, cells: list[str], asked: Asked) -> Transfer:
    try:
        agent_id, from_aid, to_aid = cells
        line = msgspec.convert({"agent_id": agent_id.lower(), "from_aid": from_aid, "to_aid": to_aid}, _Line)
    except ValueError:
        shown = ",".join(cells)[:200]
        raise InvalidValueError(f"line {number}", shown, "machine_id (a UUID),from_aid,to_aid") from None
    if not from_aid or not to_aid:
        raise InvalidValueError(f"line {number}", ",".join(cells)[:200], "two account groups")
    return Transfer(
        line.agent_id,
        choose_account_group(asked.principal, line.from_aid),
        choose_account_group(asked.principal, line.to_aid),
    )


HANDLERS: Final = (
    rename_endpoint_agent,
    enable_endpoint_agent,
    disable_endpoint_agent,
    delete_endpoint_agent,
    restore_endpoint_agent,
    transfer_endpoint_agents,
)
