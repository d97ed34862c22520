"""Account groups in version 7: those of the asker, and one of them with its users."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request

from hopsight.errors import NotFoundError
from hopsight.model.accounts import AccountGroup
from hopsight.server.api.answers import Answer
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v7.account_group_documents import (
    AccountGroupDetail,
    AccountGroupList,
    group_user,
)
from hopsight.server.api.v7.asking import Asked, answer, ask, self_links
from hopsight.server.api.v7.descriptions import operation, path_parameter
from hopsight.server.api.v7.parameters import expanded

PATH: Final = "/v7/account-groups"
TAG: Final = "Account groups"
GROUP: Final = path_parameter("accountGroupId", "ID of the account group")
EXPAND: Final = Parameter(
    name="expand",
    meaning="`users`: with the users of the group; `agents` is taken and adds nothing: enterprise agents are "
    "another kind than ours",
    schema={"type": "string"},
)

_EXPANDABLE: Final = ("agent", "agents", "user", "users")
_LISTED: Final = operation(
    "Account groups of the user", TAG, parameters=(ACCOUNT_GROUP,), answer=AccountGroupList
)
_READ: Final = operation(
    "One account group of the user",
    TAG,
    404,
    parameters=(GROUP, ACCOUNT_GROUP, EXPAND),
    answer=AccountGroupDetail,
)


@get(PATH, opt=described(_LISTED))
async def list_account_groups(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    groups = asked.services.accounts.account_groups_of(asked.principal)
    documents = [group_document(asked, group) for group in groups]
    return answer(asked, AccountGroupList(account_groups=documents, links=self_links(asked, PATH)))


@get(f"{PATH}/{{accountGroupId:str}}", opt=described(_READ))
async def read_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one."""
    asked = await ask(request)
    return answer_group(asked, find_group(asked, request.path_params["accountGroupId"]))


def find_group(asked: Asked, text: str) -> AccountGroup:
    """An account group of the user.

    Raises:
        NotFoundError: none of the user's has this ID.
    """
    groups = asked.services.accounts.account_groups_of(asked.principal)
    group = next((each for each in groups if str(each.aid) == text), None)
    if group is None:
        raise NotFoundError(f"There is no account group {text!r} among yours; {PATH} lists them")
    return group


def answer_group(asked: Asked, group: AccountGroup, *, status: int = 200) -> Answer:
    """Answer with one group, as far as ``expand`` asks."""
    users = None
    if expanded(asked.parameters, _EXPANDABLE) & {"user", "users"}:
        users = [group_user(member) for member in asked.services.accounts.members(group.aid)]
    links = self_links(asked, f"{PATH}/{group.aid}")
    document = msgspec.structs.replace(group_document(asked, group), users=users, links=links)
    return answer(asked, document, status=status)


def group_document(asked: Asked, group: AccountGroup) -> AccountGroupDetail:
    """Write a group, without users and links."""
    return AccountGroupDetail(
        aid=str(group.aid),
        account_group_name=group.name,
        is_current_account_group=group.aid == asked.aid,
        is_default_account_group=group.aid == asked.principal.login_aid,
        organization_name=group.org_name,
        org_id=str(group.org_id),
    )


HANDLERS: Final = (list_account_groups, read_account_group)
