"""Account groups as version 7 writes them: IDs are strings."""

from typing import Final

from msgspec import Struct, field

from hopsight.model.accounts import Member, Role
from hopsight.server.api.v7.documents import Links

ROLE_NAMES: Final = {
    Role.ORG_ADMIN: "Organization Admin",
    Role.ACCOUNT_ADMIN: "Account Admin",
    Role.USER: "Regular User",
}


class GroupRole(Struct, rename="camel", frozen=True, kw_only=True):
    """What a user may do."""

    name: str
    role_id: str
    is_builtin: bool = True
    has_management_permissions: bool


class AccountGroupMember(Struct, frozen=True, kw_only=True):
    """A user of an account group."""

    name: str
    email: str
    uid: str
    roles: list[GroupRole]


class AccountGroupDetail(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """An account group; its users only where they were asked for."""

    aid: str
    account_group_name: str
    is_current_account_group: bool
    is_default_account_group: bool
    organization_name: str
    org_id: str
    users: list[AccountGroupMember] | None = None
    links: Links | None = field(default=None, name="_links")


class AccountGroupList(Struct, rename="camel", frozen=True, kw_only=True):
    """Account groups that the asker may see."""

    account_groups: list[AccountGroupDetail]
    links: Links = field(name="_links")


def group_user(member: Member) -> AccountGroupMember:
    """Write a member of a group."""
    role = GroupRole(
        name=ROLE_NAMES[member.role],
        role_id=member.role.value,
        has_management_permissions=member.role is Role.ORG_ADMIN,
    )
    return AccountGroupMember(name=member.name, email=member.email, uid=str(member.uid), roles=[role])
