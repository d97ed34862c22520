"""The three built-in roles, and what they permit: exactly what the code enforces."""

from typing import Any, Final

from litestar import get, post
from litestar.connection import Request
from litestar.handlers import HTTPRouteHandler

from hopsight.errors import NotFoundError, PermissionDeniedError
from hopsight.model.accounts import Role
from hopsight.server.api.answers import Answer
from hopsight.server.api.description import Parameter, described
from hopsight.server.api.v6.asking import ask
from hopsight.server.api.v6.descriptions import COMMON, operation
from hopsight.server.api.v6.rendering import render
from hopsight.server.api.v6.user_documents import (
    PermissionItem,
    PermissionsAnswer,
    RoleDetail,
    RoleItem,
    RolesAnswer,
)

PATH: Final = "/v6/roles"

ROLE_IDS: Final = {1: Role.ORG_ADMIN, 2: Role.ACCOUNT_ADMIN, 3: Role.USER}
"""Promised to stay: programs write them down."""
ROLE_NAMES: Final = {
    Role.ORG_ADMIN: "Organization Admin",
    Role.ACCOUNT_ADMIN: "Account Admin",
    Role.USER: "Regular User",
}
"""What the vendor calls them."""
_ALL: Final = frozenset(Role)
_ADMINS: Final = frozenset({Role.ORG_ADMIN, Role.ACCOUNT_ADMIN})
_ORG_ADMIN: Final = frozenset({Role.ORG_ADMIN})
_PERMISSIONS: Final = (
    (1, "View endpoint data", False, _ALL),
    (2, "View endpoint agents", False, _ALL),
    (3, "Edit endpoint agents", False, _ADMINS),
    (4, "View activity log", False, _ADMINS),
    (5, "View all users", False, _ADMINS),
    (6, "Edit users, their roles and tokens", True, _ORG_ADMIN),
)
_BUILT_IN: Final = "Hopsight has three built-in roles; they can be neither changed nor added to"
_TAG: Final = "Users and roles"
_ROLE: Final = Parameter(name="roleId", meaning="ID of the role", schema={"type": "integer"}, where="path")
_LISTED: Final = operation("The three roles there are", _TAG, parameters=COMMON, answer=RolesAnswer)
_READ: Final = operation(
    "One role, with what it permits", _TAG, 404, parameters=(_ROLE, *COMMON), answer=RolesAnswer
)
_PERMITTED: Final = operation(
    "What roles permit: all that is checked", _TAG, parameters=COMMON, answer=PermissionsAnswer
)
_REFUSED_NEW: Final = operation(
    "Always 403: roles are built in", _TAG, 403, parameters=COMMON, answer=RolesAnswer
)
_REFUSED: Final = operation(
    "Always 403: roles are built in", _TAG, 403, parameters=(_ROLE, *COMMON), answer=RolesAnswer
)


def role_item(role: Role) -> RoleItem:
    """A role as version 6 has it, in short."""
    role_id = next(number for number, each in ROLE_IDS.items() if each is role)
    manages = any(management and role in roles for _, _, management, roles in _PERMISSIONS)
    return RoleItem(
        role_name=ROLE_NAMES[role], role_id=role_id, has_management_permissions=int(manages), builtin=1
    )


@get(PATH, opt=described(_LISTED))
async def list_roles(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    return render(asked.scope, asked.format, RolesAnswer(roles=[_detail(role) for role in ROLE_IDS.values()]))


@get(f"{PATH}/{{roleId:str}}", opt=described(_READ))
async def read_role(request: Request[Any, Any, Any]) -> Answer:
    """Answer with one, and its permissions."""
    asked = await ask(request)
    text = request.path_params["roleId"]
    role = next((role for number, role in ROLE_IDS.items() if str(number) == text), None)
    if role is None:
        raise NotFoundError(f"There is no role {text[:20]!r}; /v6/roles lists them")
    permissions = [_permission(each) for each in _PERMISSIONS if role in each[3]]
    return render(asked.scope, asked.format, RolesAnswer(roles=[_detail(role, permissions)]))


@get("/v6/permissions", opt=described(_PERMITTED))
async def list_permissions(request: Request[Any, Any, Any]) -> Answer:
    """Answer with all of them."""
    asked = await ask(request)
    permissions = [_permission(each) for each in _PERMISSIONS]
    return render(asked.scope, asked.format, PermissionsAnswer(permissions=permissions))


def _refusing(path: str, name: str, operation_: Any) -> HTTPRouteHandler:
    async def refuse(request: Request[Any, Any, Any]) -> Answer:
        await ask(request)
        raise PermissionDeniedError(_BUILT_IN)

    refuse.__name__ = name
    return post(path, status_code=200, opt=described(operation_))(refuse)


def _detail(role: Role, permissions: list[PermissionItem] | None = None) -> RoleDetail:
    item = role_item(role)
    return RoleDetail(
        role_name=item.role_name,
        role_id=item.role_id,
        has_management_permissions=item.has_management_permissions,
        builtin=item.builtin,
        permissions=permissions,
    )


def _permission(row: tuple[int, str, bool, frozenset[Role]]) -> PermissionItem:
    permission_id, label, management, _ = row
    return PermissionItem(is_management_permission=int(management), label=label, permission_id=permission_id)


HANDLERS: Final = (
    list_roles,
    read_role,
    list_permissions,
    _refusing(f"{PATH}/new", "create_role", _REFUSED_NEW),
    _refusing(f"{PATH}/{{roleId:str}}/update", "update_role", _REFUSED),
    _refusing(f"{PATH}/{{roleId:str}}/delete", "delete_role", _REFUSED),
)
