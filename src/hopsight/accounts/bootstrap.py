"""The first start: an organization, an account group, an admin with a token, and a key for agents."""

from pathlib import Path
from typing import Final

from msgspec import structs
from sqlalchemy import Connection

from hopsight.accounts import console_users, group_keys, organizations, tokens, users
from hopsight.accounts.audit import Actor, Change
from hopsight.accounts.bootstrap_file import Bootstrap, read_bootstrap, write_bootstrap
from hopsight.accounts.credentials import digest_of, new_secret
from hopsight.model.accounts import Role

# `.local` never leaves the network it is on: nobody's mailbox.
EMAIL: Final = "admin@hopsight.local"
ORGANIZATION: Final = "My organization"
ACCOUNT_GROUP: Final = "Default"
FIRST_START: Final = Actor(who="first start of the server")


def bootstrap(connection: Connection, data: Path, url: str, now_s: int) -> Bootstrap:
    """Make the first account if there is none; else say what is left of it.

    What an administrator has deleted since is None, and is never made again: neither is the user, while there
    are others. A file without any user is of a start that did not come to its end, or of a database that was
    removed: it is written anew.
    """
    known = read_bootstrap(data)
    uid = users.find_uid(connection, EMAIL)
    if uid is None and (known is None or not users.listing(connection)):
        return _create(connection, data, url, now_s)
    if known is None:
        login = next(user for user in users.listing(connection) if user.uid == uid)
        return Bootstrap(url=url, email=EMAIL, aid=login.login_aid)
    current = structs.replace(
        known,
        url=url,
        token=_working_token(connection, known.token),
        group_key=_working_key(connection, known.group_key),
    )
    if current != known:
        write_bootstrap(data, current)
    return current


def _create(connection: Connection, data: Path, url: str, now_s: int) -> Bootstrap:
    token, key = new_secret(), new_secret()
    change = Change(FIRST_START, now_s)
    aid = organizations.create_group(connection, *_home(connection, change), change)
    console_users.create(connection, EMAIL, Role.ORG_ADMIN, [aid], None, change)
    console_users.add_token(connection, EMAIL, digest_of(token), change)
    group_keys.create(connection, aid, digest_of(key), change)
    made = Bootstrap(url=url, email=EMAIL, aid=aid, token=token, group_key=key)
    # Before the commit: a file without its account is repaired at the next start, an account whose token
    # nobody knows is not.
    write_bootstrap(data, made)
    return made


def _home(connection: Connection, change: Change) -> tuple[str, int]:
    """A name for the first account group that is free, and the organization for it: the only one, or new."""
    found = organizations.listing(connection)
    if len(found) == 1:
        org_id = found[0].org_id
    else:
        org_id = organizations.create(connection, _free(ORGANIZATION, {item.name for item in found}), change)
    taken = {group.name for group in organizations.groups(connection) if group.org_id == org_id}
    return _free(ACCOUNT_GROUP, taken), org_id


def _free(name: str, taken: set[str]) -> str:
    candidates = (f"{name} {number}" if number > 1 else name for number in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _working_token(connection: Connection, token: str | None) -> str | None:
    if token is None or tokens.principal_of(connection, digest_of(token)) is None:
        return None
    return token


def _working_key(connection: Connection, key: str | None) -> str | None:
    if key is None or group_keys.find(connection, digest_of(key)) is None:
        return None
    return key
