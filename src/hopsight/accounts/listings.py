"""What lists of accounts hold; none of it is secret."""

from msgspec import Struct

from hopsight.model.accounts import AccountGroup, Role
from hopsight.model.agents import Target


class Organization(Struct, frozen=True, kw_only=True):
    """An organization: what a rate limit counts for."""

    org_id: int
    name: str


class User(Struct, frozen=True, kw_only=True):
    """A user, and the role in each account group that the user may see."""

    uid: int
    email: str
    name: str
    login_aid: int
    roles: dict[int, Role]


class Token(Struct, frozen=True, kw_only=True):
    """A token without its secret: ``token_id`` names it where it is listed or deleted."""

    token_id: int
    email: str
    created_s: int


class GroupKey(Struct, frozen=True, kw_only=True):
    """An account group key (the secret of connection strings) without its secret."""

    key_id: int
    aid: int
    created_s: int


class ListedTarget(Struct, frozen=True, kw_only=True):
    """A target with its ID and account group; ``agent_ids``: who measures it, none for all of the group."""

    target_id: int
    aid: int
    target: Target
    agent_ids: tuple[str, ...] = ()


class OrganizationUser(Struct, frozen=True, kw_only=True):
    """A user as an organization sees them.

    Args:
        login_aid: None: the user logs in elsewhere.
        created_s: when the user was made; None: before that was noted.
    """

    uid: int
    email: str
    name: str
    login_aid: int | None
    groups: dict[int, AccountGroup]
    roles: dict[int, Role]
    created_s: int | None = None


class NetworkName(Struct, frozen=True, kw_only=True):
    """What an administrator says of a network; None: nothing.

    Args:
        location: what its place is called.
        latitude: degrees; with ``longitude``.
        longitude: degrees.
        org_name: who it belongs to.
    """

    aid: int
    network_id: str
    location: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    org_name: str | None = None
