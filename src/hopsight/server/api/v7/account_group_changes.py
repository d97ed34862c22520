"""Changes of account groups in version 7: added, named, deleted by organization admins."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from litestar import delete, post, put
from litestar.connection import Request
from msgspec import Meta, Struct

from hopsight.accounts.audit import Actor
from hopsight.errors import NotFoundError, PermissionDeniedError
from hopsight.model.accounts import Role
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.body_readers import BodyReader
from hopsight.server.api.common_parameters import ACCOUNT_GROUP
from hopsight.server.api.description import described
from hopsight.server.api.v7.account_group_documents import AccountGroupDetail
from hopsight.server.api.v7.account_groups import EXPAND, GROUP, PATH, TAG, answer_group, find_group
from hopsight.server.api.v7.asking import Asked, ask
from hopsight.server.api.v7.descriptions import BODY_STATUSES, operation


class AccountGroupRequest(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account group is to be called; ``agents`` must be empty: enterprise agents are not ours."""

    account_group_name: Annotated[str, Meta(min_length=1, max_length=255)]
    agents: Annotated[tuple[str, ...], Meta(max_length=0)] = ()


_requests: Final = BodyReader(AccountGroupRequest, '{"accountGroupName": "Branch office"}')
_CREATE: Final = operation(
    "Add an account group to the organization; its maker administers it",
    TAG,
    403,
    409,
    *BODY_STATUSES,
    parameters=(ACCOUNT_GROUP, EXPAND),
    body=AccountGroupRequest,
    body_required=True,
    answer=AccountGroupDetail,
    success=201,
)
_UPDATE: Final = operation(
    "Name an account group",
    TAG,
    403,
    404,
    409,
    *BODY_STATUSES,
    parameters=(GROUP, ACCOUNT_GROUP, EXPAND),
    body=AccountGroupRequest,
    body_required=True,
    answer=AccountGroupDetail,
)
_DELETE: Final = operation(
    "Delete an account group that has no agents and is nobody's only one",
    TAG,
    403,
    404,
    409,
    parameters=(GROUP, ACCOUNT_GROUP),
    success=204,
)


@post(PATH, status_code=201, opt=described(_CREATE))
async def create_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Add, and answer with the group."""
    asked = await ask(request)
    by = _require_admin(asked, asked.aid)
    wanted = await _requests.read(request)
    accounts = asked.services.accounts
    mine = accounts.account_group(asked.aid)
    if mine is None:
        raise NotFoundError("The account group is gone")
    aid = accounts.add_group(mine.org_id, wanted.account_group_name, asked.principal.uid, by)
    made = accounts.account_group(aid)
    if made is None:
        raise NotFoundError(f"Account group {aid} is gone again")
    return answer_group(asked, made, status=HTTPStatus.CREATED)


@put(f"{PATH}/{{accountGroupId:str}}", opt=described(_UPDATE))
async def update_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Name, and answer with the group."""
    asked = await ask(request)
    require_writer(asked)
    wanted = await _requests.read(request)
    group = find_group(asked, request.path_params["accountGroupId"])
    by = _require_admin(asked, group.aid)
    asked.services.accounts.rename_group(group.aid, wanted.account_group_name, by)
    return answer_group(asked, find_group(asked, str(group.aid)))


@delete(f"{PATH}/{{accountGroupId:str}}", status_code=200, opt=described(_DELETE))
async def delete_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Delete, with 204."""
    asked = await ask(request)
    require_writer(asked)
    group = find_group(asked, request.path_params["accountGroupId"])
    asked.services.accounts.remove_group(group.aid, _require_admin(asked, group.aid))
    return Answer(b"", status=HTTPStatus.NO_CONTENT)


def _require_admin(asked: Asked, aid: int) -> Actor:
    if asked.principal.roles.get(aid) is not Role.ORG_ADMIN:
        raise PermissionDeniedError("Account groups are managed by organization admins; you are none there")
    return require_writer(asked, aid)


HANDLERS: Final = (create_account_group, update_account_group, delete_account_group)
