"""What the forms about users hold: read into a wish, and filled in again when it is refused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from hopsight.accounts.listings import OrganizationUser, Token
from hopsight.accounts.user_changes import UserWish
from hopsight.errors import InvalidValueError, NotFoundError
from hopsight.model.accounts import AccountGroup, Role
from hopsight.model.times import format_utc
from hopsight.server.web.forms import Form

ROLE_LABELS: Final = {
    Role.ORG_ADMIN: "organization admin",
    Role.ACCOUNT_ADMIN: "account admin",
    Role.USER: "regular user",
}

_MAX_ID_DIGITS: Final = 15
_ROLE: Final = "role-"


class UserFields(Struct, frozen=True, kw_only=True):
    """A form about a user, as it is shown.

    Args:
        roles: by account group ID; empty: none there.
        login: ID of the default account group; empty: the first one with a role, or it stays as it is.
    """

    name: str = ""
    email: str = ""
    roles: Mapping[int, str]
    login: str = ""


def fields_of(user: OrganizationUser) -> UserFields:
    """A form that says what is."""
    return UserFields(
        name=user.name,
        email=user.email,
        roles={aid: role.value for aid, role in user.roles.items()},
        login="" if user.login_aid is None else str(user.login_aid),
    )


def fields_from(form: Form, groups: Sequence[AccountGroup]) -> UserFields:
    """A form as it was filled in."""
    return UserFields(
        name=form.one("name"),
        email=form.one("email"),
        roles={group.aid: form.one(f"{_ROLE}{group.aid}") for group in groups},
        login=form.one("login"),
    )


def wish_of(fields: UserFields) -> UserWish:
    """What the form asks for.

    Raises:
        InvalidValueError: a role or account group is none.
    """
    login_aid = None
    if fields.login:
        known = {str(aid): aid for aid in fields.roles}
        if fields.login not in known:
            raise InvalidValueError(
                "default account group", fields.login[:20], "an account group of your organization"
            )
        login_aid = known[fields.login]
    roles = {aid: _role(text) for aid, text in fields.roles.items() if text}
    return UserWish(name=fields.name.strip() or None, email=fields.email, login_aid=login_aid, roles=roles)


def token_rows(tokens: Iterable[Token]) -> list[tuple[int, str]]:
    """Tokens as they are listed: ID, and when each was made."""
    return [(token.token_id, format_utc(token.created_s)) for token in tokens]


def number(what: str, text: str) -> int:
    """An ID of a path or form.

    Raises:
        NotFoundError: it is none.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS and str(int(text)) == text:
        return int(text)
    raise NotFoundError(f"There is no {what} {text[:20]!r} here")


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise InvalidValueError("role", text[:20], ", ".join(ROLE_LABELS)) from None
