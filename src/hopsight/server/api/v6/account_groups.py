"""Account groups (API.md section 3.8): those of the asker, and one of them with its users and agents."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request

from hopsight.errors import NotFoundError
from hopsight.model.accounts import AccountGroup, Member, Role
from hopsight.model.agents import Agent
from hopsight.model.query import PAGE_ITEMS
from hopsight.model.times import format_utc
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import COMMON, operation
from hopsight.server.api.v6.documents import (
    AccountGroupDocument,
    AccountGroupsAnswer,
    GroupAgent,
    GroupUser,
    UserRole,
)
from hopsight.server.api.v6.rendering import render
from hopsight.server.api.v6.roles import ROLE_IDS, ROLE_NAMES
from hopsight.server.places.agents import located

PATH: Final = "/v6/account-groups"

_ROLES: Final = {
    role: UserRole(
        role_name=ROLE_NAMES[role],
        role_id=role_id,
        has_management_permissions=int(role is Role.ORG_ADMIN),
        builtin=1,
    )
    for role_id, role in ROLE_IDS.items()
}
_LISTED: Final = operation(
    "Account groups of the user", "Account groups", parameters=COMMON, answer=AccountGroupsAnswer
)
_READ: Final = operation(
    f"One account group of the user, with its users and its first {PAGE_ITEMS} agents",
    "Account groups",
    404,
    parameters=(
        Parameter(name="groupId", meaning="ID of the group", schema={"type": "integer"}, where="path"),
        *COMMON,
    ),
    answer=AccountGroupsAnswer,
)


@get(PATH, opt=described(_LISTED))
async def list_account_groups(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    groups = _groups(asked)
    documents = [_document(asked, group, groups) for group in groups]
    return render(asked.scope, asked.format, AccountGroupsAnswer(account_groups=documents))


@get(f"{PATH}/{{groupId:str}}", opt=described(_READ))
async def read_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, in whole."""
    asked = await ask(request)
    groups = _groups(asked)
    group = _find(groups, request.path_params["groupId"])
    accounts = asked.services.accounts
    members = accounts.members(group.aid)
    agents = accounts.agents(group.aid, limit=PAGE_ITEMS)
    document = msgspec.structs.replace(
        _document(asked, group, groups),
        users=[_user(member) for member in members],
        agents=[_agent(agent) for agent in located(agents, asked.services.atlas)],
    )
    return render(asked.scope, asked.format, AccountGroupsAnswer(account_groups=[document]))


def _groups(asked: Asked) -> list[AccountGroup]:
    return asked.services.accounts.account_groups_of(asked.principal)


def _find(groups: list[AccountGroup], text: str) -> AccountGroup:
    for group in groups:
        if str(group.aid) == text:
            return group
    raise NotFoundError(f"There is no account group {text!r} among yours; /v6/account-groups lists them")


def _document(asked: Asked, group: AccountGroup, groups: list[AccountGroup]) -> AccountGroupDocument:
    several = len({each.org_id for each in groups}) > 1
    return AccountGroupDocument(
        account_group_name=group.name,
        aid=group.aid,
        organization_name=group.org_name if several else None,
        current=int(group.aid == asked.aid),
        default=int(group.aid == asked.principal.login_aid),
    )


def _user(member: Member) -> GroupUser:
    return GroupUser(name=member.name, email=member.email, uid=member.uid, roles=[_ROLES[member.role]])


def _agent(agent: Agent) -> GroupAgent:
    location = agent.info.location
    return GroupAgent(
        agent_id=agent.agent_id,
        agent_name=agent.agent_name,
        location=location.location_name if location else None,
        public_ip_address=agent.public_ip,
        public_ip_addresses=[agent.public_ip] if agent.public_ip else None,
        enabled=int(agent.enabled),
        last_seen=format_utc(agent.last_seen_s),
        agent_type="Endpoint",
    )


HANDLERS: Final = (list_account_groups, read_account_group)
