"""Users over version 6: who may see them, and how organization admins manage them and their tokens."""

from typing import Any, Final, TypeVar

import msgspec
from litestar import get, post
from litestar.connection import Request

from hopsight.accounts.audit import Actor
from hopsight.accounts.listings import OrganizationUser
from hopsight.accounts.user_changes import UserWish
from hopsight.errors import InvalidValueError, NotFoundError, PermissionDeniedError
from hopsight.model.accounts import AccountGroup, Role
from hopsight.model.times import format_utc
from hopsight.server.api.acting import require_writer
from hopsight.server.api.answers import Answer
from hopsight.server.api.bodies import read_json_body
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v6.asking import Asked, ask
from hopsight.server.api.v6.descriptions import BODY_STATUSES, COMMON, operation
from hopsight.server.api.v6.rendering import render
from hopsight.server.api.v6.roles import ROLE_IDS, role_item
from hopsight.server.api.v6.user_documents import (
    AccountGroupRoles,
    GroupName,
    GroupRolesBody,
    NewUserBody,
    TokenItem,
    TokensAnswer,
    UserChangeBody,
    UserItem,
    UsersAnswer,
)

PATH: Final = "/v6/users"

_Body = TypeVar("_Body")

_TAG: Final = "Users and roles"
_MAX_ID_DIGITS: Final = 15
_UID: Final = Parameter(name="uid", meaning="ID of the user", schema={"type": "integer"}, where="path")
_TOKEN: Final = Parameter(name="tokenId", meaning="ID of the token", schema={"type": "integer"}, where="path")
_ACCEPTED: Final = (
    '{"name": "Jane", "email": "jane@example.org", "loginAccountGroup": {"aid": 1}, '
    '"accountGroupRoles": [{"aid": 1, "roles": [{"roleId": 3}]}]}'
)
_new_users: Final = msgspec.json.Decoder(NewUserBody)
_changes: Final = msgspec.json.Decoder(UserChangeBody)

_LISTED: Final = operation(
    "Users of the organization (for an organization admin) or of the account group (for an account admin)",
    _TAG,
    403,
    parameters=COMMON,
    answer=UsersAnswer,
)
_CREATE: Final = operation(
    "Add a user; the answer holds a token, which can be seen this once",
    _TAG,
    403,
    409,
    *BODY_STATUSES,
    parameters=COMMON,
    answer=UsersAnswer,
    body=NewUserBody,
    body_required=True,
)


def _of_user(summary: str, *statuses: int, answer: Any = UsersAnswer, **more: Any) -> Any:
    return operation(summary, _TAG, 403, 404, *statuses, parameters=(_UID, *COMMON), answer=answer, **more)


_READ: Final = _of_user("One user; everybody may ask for themselves")
_UPDATE: Final = _of_user(
    "Change a user; `accountGroupRoles` stands for all roles in the organization",
    409,
    *BODY_STATUSES,
    body=UserChangeBody,
    body_required=True,
)
_DELETE: Final = _of_user("Take a user out of the organization; answers with nobody", 409)
_TOKENS: Final = _of_user("Tokens of a user, without secrets. Ours", 409, answer=TokensAnswer)
_NEW_TOKEN: Final = _of_user(
    "Make a token for a user; it can be seen this once. Ours", 409, answer=TokensAnswer
)
_DELETE_TOKEN: Final = operation(
    "Delete a token of a user; answers with those left. Ours",
    _TAG,
    403,
    404,
    409,
    parameters=(_UID, _TOKEN, *COMMON),
    answer=TokensAnswer,
)


@get(PATH, opt=described(_LISTED))
async def list_users(request: Request[Any, Any, Any]) -> Answer:
    """Answer with those whom the asker may see."""
    asked = await ask(request)
    require_writer(asked)
    return _answer(asked, asked.services.accounts.users_of(_visible(asked)))


@get(f"{PATH}/{{uid:str}}", opt=described(_READ))
async def read_user(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one."""
    asked = await ask(request)
    text = request.path_params["uid"]
    if text == str(asked.principal.uid):
        return _answer(asked, _found(asked, asked.principal.uid, set(asked.principal.roles)))
    require_writer(asked)
    return _answer(asked, _found(asked, _number("user", text), _visible(asked)))


@post(f"{PATH}/new", status_code=200, opt=described(_CREATE))
async def create_user(request: Request[Any, Any, Any]) -> Answer:
    """Add, and answer with the user and a token."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    body = _decoded(_new_users, await read_json_body(request.scope, request.receive))
    uid, token = asked.services.accounts.add_user(org_id, _wish(body), by)
    return _answer(asked, _found(asked, uid, _visible(asked)), token)


@post(f"{PATH}/{{uid:str}}/update", status_code=200, opt=described(_UPDATE))
async def update_user(request: Request[Any, Any, Any]) -> Answer:
    """Change, and answer with the user."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    body = _decoded(_changes, await read_json_body(request.scope, request.receive))
    uid = _number("user", request.path_params["uid"])
    asked.services.accounts.change_user(org_id, uid, _wish(body), by)
    return _answer(asked, _found(asked, uid, asked.services.accounts.groups_of_organization(org_id)))


@post(f"{PATH}/{{uid:str}}/delete", status_code=200, opt=described(_DELETE))
async def delete_user(request: Request[Any, Any, Any]) -> Answer:
    """Delete as far as the organization may."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    asked.services.accounts.remove_user(org_id, _number("user", request.path_params["uid"]), by)
    return _answer(asked, [])


@get(f"{PATH}/{{uid:str}}/tokens", opt=described(_TOKENS))
async def list_user_tokens(request: Request[Any, Any, Any]) -> Answer:
    """Answer with them, without secrets."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    return _tokens(asked, org_id, _number("user", request.path_params["uid"]), by)


@post(f"{PATH}/{{uid:str}}/tokens/new", status_code=200, opt=described(_NEW_TOKEN))
async def create_user_token(request: Request[Any, Any, Any]) -> Answer:
    """Make one, and answer with it."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    uid = _number("user", request.path_params["uid"])
    token_id, token = asked.services.accounts.add_token(org_id, uid, by)
    return render(asked.scope, asked.format, TokensAnswer(tokens=[TokenItem(token_id=token_id, token=token)]))


@post(f"{PATH}/{{uid:str}}/tokens/{{tokenId:str}}/delete", status_code=200, opt=described(_DELETE_TOKEN))
async def delete_user_token(request: Request[Any, Any, Any]) -> Answer:
    """Delete one, and answer with those left."""
    asked = await ask(request)
    by, org_id = _manager(asked)
    uid = _number("user", request.path_params["uid"])
    asked.services.accounts.remove_token(org_id, uid, _number("token", request.path_params["tokenId"]), by)
    return _tokens(asked, org_id, uid, by)


def _manager(asked: Asked) -> tuple[Actor, int]:
    """The asker and their organization, if they may manage its users."""
    if asked.principal.roles[asked.aid] is not Role.ORG_ADMIN:
        raise PermissionDeniedError("Users are managed by organization admins; you are none here")
    return require_writer(asked), _org_id(asked)


def _org_id(asked: Asked) -> int:
    group = asked.services.accounts.account_group(asked.aid)
    if group is None:
        raise NotFoundError("The account group is gone")
    return group.org_id


def _visible(asked: Asked) -> set[int]:
    if asked.principal.roles[asked.aid] is Role.ORG_ADMIN:
        return asked.services.accounts.groups_of_organization(_org_id(asked))
    return {asked.aid}


def _number(what: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS and str(int(text)) == text:
        return int(text)
    raise NotFoundError(f"There is no {what} {text[:20]!r} here")


def _found(asked: Asked, uid: int, aids: set[int]) -> list[OrganizationUser]:
    found = asked.services.accounts.users_of(aids, uid)
    if not found:
        raise NotFoundError(f"There is no user {uid} here")
    return found


def _decoded(decoder: msgspec.json.Decoder[_Body], body: bytes) -> _Body:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValueError("body", str(error) or "nested too deeply", _ACCEPTED) from None


def _wish(body: NewUserBody | UserChangeBody) -> UserWish:
    given = body.account_group_roles
    login = body.login_account_group
    return UserWish(
        name=body.name,
        email=body.email,
        login_aid=None if login is None else login.aid,
        roles=None if given is None else _roles(given),
    )


def _roles(given: tuple[GroupRolesBody, ...]) -> dict[int, Role]:
    roles: dict[int, Role] = {}
    for each in given:
        named = {each.aid, each.account_group.aid if each.account_group else None} - {None}
        if len(named) != 1:
            raise InvalidValueError("accountGroupRoles", sorted(map(str, named)), "one account group in each")
        aid = next(number for number in named if number is not None)
        if aid in roles:
            raise InvalidValueError("accountGroupRoles", aid, "each account group once")
        role_id = each.roles[0].role_id
        if role_id not in ROLE_IDS:
            raise InvalidValueError("roleId", role_id, ", ".join(map(str, ROLE_IDS)))
        roles[aid] = ROLE_IDS[role_id]
    return roles


def _answer(asked: Asked, users: list[OrganizationUser], token: str | None = None) -> Answer:
    documents = [_document(user) for user in users]
    return render(asked.scope, asked.format, UsersAnswer(users=documents, token=token))


def _document(user: OrganizationUser) -> UserItem:
    return UserItem(
        name=user.name,
        email=user.email,
        uid=user.uid,
        date_registered=None if user.created_s is None else format_utc(user.created_s),
        login_account_group=None if user.login_aid is None else _group(user.groups[user.login_aid]),
        account_group_roles=[
            AccountGroupRoles(account_group=_group(user.groups[aid]), roles=[role_item(role)])
            for aid, role in user.roles.items()
        ],
        all_account_group_roles=[],
    )


def _group(group: AccountGroup) -> GroupName:
    return GroupName(account_group_name=group.name, aid=group.aid)


def _tokens(asked: Asked, org_id: int, uid: int, by: Actor) -> Answer:
    tokens = asked.services.accounts.tokens_of(org_id, uid, by)
    items = [TokenItem(token_id=each.token_id, created_time=format_utc(each.created_s)) for each in tokens]
    return render(asked.scope, asked.format, TokensAnswer(tokens=items))


HANDLERS: Final = (
    list_users,
    read_user,
    create_user,
    update_user,
    delete_user,
    list_user_tokens,
    create_user_token,
    delete_user_token,
)
