"""Account groups in version 7: those of the asker, and one of them with its users."""

from typing import Any, Final

import msgspec
from litestar import get
from litestar.connection import Request
from msgspec import Struct

from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.accounts import AccountGroup
from hopsight.server.api.answers import Answer
from hopsight.server.api.asking import Asked, ask
from hopsight.server.api.links import link, origin
from hopsight.server.api.v7.account_group_documents import (
    AccountGroupDocument,
    AccountGroupsAnswer,
    group_user,
)
from hopsight.server.api.v7.agent_documents import Link, Links

PATH: Final = "/v7/account-groups"

_EXPANDABLE: Final = {"user", "agent"}
_json: Final = msgspec.json.Encoder()


@get(PATH)
async def list_v7_account_groups(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = ask(request)
    groups = asked.services.accounts.account_groups_of(asked.principal)
    documents = [_document(asked, group) for group in groups]
    return _answer(AccountGroupsAnswer(account_groups=documents, links=_self(asked, PATH)))


@get(f"{PATH}/{{groupId:str}}")
async def read_v7_account_group(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one; ``agent`` may be asked for and adds nothing: those are of another kind than ours."""
    asked = ask(request)
    group_id = request.path_params["groupId"]
    groups = asked.services.accounts.account_groups_of(asked.principal)
    group = next((each for each in groups if str(each.aid) == group_id), None)
    if group is None:
        raise NotFoundError(f"There is no account group {group_id!r} among yours; {PATH} lists them")
    document = _document(asked, group)
    links = _self(asked, f"{PATH}/{group.aid}")
    users = None
    if "user" in _expanded(asked):
        users = [group_user(member) for member in asked.services.accounts.members(group.aid)]
    return _answer(msgspec.structs.replace(document, users=users, links=links))


def _document(asked: Asked, group: AccountGroup) -> AccountGroupDocument:
    return AccountGroupDocument(
        aid=str(group.aid),
        account_group_name=group.name,
        is_current_account_group=group.aid == asked.aid,
        is_default_account_group=group.aid == asked.principal.login_aid,
        organization_name=group.org_name,
        org_id=str(group.org_id),
    )


def _expanded(asked: Asked) -> set[str]:
    wanted = {name for name in (asked.parameters.one("expand") or "").split(",") if name}
    if not wanted <= _EXPANDABLE:
        raise InvalidValueError("expand", ",".join(sorted(wanted)), ", ".join(sorted(_EXPANDABLE)))
    return wanted


def _self(asked: Asked, path: str) -> Links:
    return Links(self_=Link(href=link(origin(asked.scope, asked.services.config.public_url), path, [])))


def _answer(document: Struct) -> Answer:
    return Answer(_json.encode(document), b"application/hal+json")


HANDLERS: Final = (list_v7_account_groups, read_v7_account_group)
