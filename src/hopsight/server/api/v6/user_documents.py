"""Users, roles, permissions and tokens in version 6, as answered and as posted."""

from typing import Annotated

from msgspec import Meta, Struct

from hopsight.model.sessions import DateTime


class RoleItem(Struct, rename="camel", frozen=True, kw_only=True):
    """A role, in short."""

    role_name: str
    role_id: int
    has_management_permissions: int
    builtin: int


class PermissionItem(Struct, rename="camel", frozen=True, kw_only=True):
    """One thing that a role may let a user do."""

    is_management_permission: int
    label: str
    permission_id: int


class RoleDetail(RoleItem, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A role; what it permits comes only where one role was asked for."""

    permissions: list[PermissionItem] | None = None


class RolesAnswer(Struct, frozen=True, kw_only=True):
    """Roles."""

    roles: list[RoleDetail]


class PermissionsAnswer(Struct, frozen=True, kw_only=True):
    """Everything that is permitted by some role, and refused to others or not."""

    permissions: list[PermissionItem]


class GroupName(Struct, rename="camel", frozen=True, kw_only=True):
    """An account group, in short."""

    account_group_name: str
    aid: int


class AccountGroupRoles(Struct, rename="camel", frozen=True, kw_only=True):
    """What a user may do in an account group."""

    account_group: GroupName
    roles: list[RoleItem]


class UserItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A user, with the account groups that the asker may know of."""

    name: str
    email: str
    uid: int
    date_registered: DateTime | None = None
    login_account_group: GroupName | None = None
    account_group_roles: list[AccountGroupRoles]
    all_account_group_roles: list[RoleItem]


class UsersAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Users; ``token`` (ours) comes once, with the user who was just made."""

    users: list[UserItem]
    token: str | None = None


class TokenItem(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """A token; the secret itself comes once, with the token that was just made."""

    token_id: int
    created_time: DateTime | None = None
    token: str | None = None


class TokensAnswer(Struct, frozen=True, kw_only=True):
    """Tokens of a user. Ours."""

    tokens: list[TokenItem]


class GroupReference(Struct, rename="camel", frozen=True, kw_only=True):
    """An account group, by ID."""

    aid: int


class RoleReference(Struct, rename="camel", frozen=True, kw_only=True):
    """A role, by ID."""

    role_id: int


class GroupRolesBody(Struct, rename="camel", frozen=True, kw_only=True):
    """The role that a user is to have in an account group, named in one of two ways."""

    aid: int | None = None
    account_group: GroupReference | None = None
    roles: Annotated[tuple[RoleReference, ...], Meta(min_length=1, max_length=1)]


GroupRolesList = Annotated[tuple[GroupRolesBody, ...], Meta(min_length=1, max_length=1_000)]


class NewUserBody(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user who is to be made."""

    name: str | None = None
    email: str
    login_account_group: GroupReference | None = None
    account_group_roles: GroupRolesList
    all_account_group_roles: Annotated[tuple[RoleReference, ...], Meta(max_length=0)] = ()


class UserChangeBody(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a user; ``accountGroupRoles`` stands for all those in the organization."""

    name: str | None = None
    email: str | None = None
    login_account_group: GroupReference | None = None
    account_group_roles: GroupRolesList | None = None
    all_account_group_roles: Annotated[tuple[RoleReference, ...], Meta(max_length=0)] = ()
