"""Who may see what: roles and principals, as the server passes them around."""

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """What a user may do in an account group."""

    ORG_ADMIN = "org-admin"
    ACCOUNT_ADMIN = "account-admin"
    USER = "user"


class Principal(Struct, frozen=True, kw_only=True):
    """A user who has shown a valid token.

    Args:
        uid: the user.
        email: the user's address, lower case.
        org_id: the organization of the login account group: whose rate limit counts.
        login_aid: the account group meant when a request names none.
        roles: the role in each account group that the user may see.
    """

    uid: int
    email: str
    org_id: int
    login_aid: int
    roles: dict[int, Role]


class AgentPrincipal(Struct, frozen=True, kw_only=True):
    """An agent that has shown its secret.

    Args:
        agent_id: the agent.
        aid: its account group.
        org_id: the organization of that.
        enabled: whether it is to measure.
        former_aids: where it was before it was transferred, by ID.
    """

    agent_id: str
    aid: int
    org_id: int
    enabled: bool
    former_aids: tuple[int, ...] = ()


class AccountGroup(Struct, frozen=True, kw_only=True):
    """An account group and its organization."""

    aid: int
    name: str
    org_id: int
    org_name: str


class Member(Struct, frozen=True, kw_only=True):
    """A user of an account group, with the role there."""

    uid: int
    name: str
    email: str
    role: Role
