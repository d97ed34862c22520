"""The pages of administration that each of them links to, in their order."""

from typing import Final

from msgspec import Struct

from hopsight.model.accounts import Role

PATH: Final = "/admin"

_WRITERS: Final = frozenset({Role.ORG_ADMIN, Role.ACCOUNT_ADMIN})


ORG_ADMINS: Final = frozenset({Role.ORG_ADMIN})
"""Who manages the organization: its users and account groups."""


class AdminSection(Struct, frozen=True):
    """A page: its path, what it is called, what it is for in a sentence, and who may see it."""

    path: str
    label: str
    purpose: str
    roles: frozenset[Role] = _WRITERS


# One row for each page that is served.
SECTIONS: Final[tuple[AdminSection, ...]] = (
    AdminSection(
        "/admin/agents", "Agents", "Names, labels, measuring or not, account group, deleting, restoring."
    ),
    AdminSection("/admin/targets", "Targets", "What agents measure, how often, and which of them."),
    AdminSection(
        "/admin/connection", "Connection strings", "What lets new agents in: made, listed, deleted."
    ),
    AdminSection(
        "/admin/users",
        "Users",
        "Who may sign in and see what: roles, tokens, open sessions.",
        ORG_ADMINS,
    ),
    AdminSection(
        "/admin/groups",
        "Account groups",
        "Who and what belongs together: users and agents of each, adding, naming, deleting.",
        ORG_ADMINS,
    ),
    AdminSection("/admin/audit", "Audit log", "What was changed, by whom, when and from where."),
    AdminSection(
        "/admin/privacy",
        "Privacy",
        "What is known of people, how long it stays, and what there is of one person.",
        ORG_ADMINS,
    ),
)


def sections_for(role: Role) -> list[AdminSection]:
    """Those that a role may see."""
    return [section for section in SECTIONS if role in section.roles]
