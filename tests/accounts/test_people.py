"""Organizations, account groups, users and tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.errors import ConflictError, InvalidValueError, NotFoundError
from hopsight.model.accounts import Role
from hopsight.testing import FakeClock


def a_user(accounts: Accounts, email: str = "jane@example.org") -> tuple[int, str]:
    """An account group with one user, and the user's token."""
    org_id = accounts.create_organization(f"Organization of {email}")
    aid = accounts.create_account_group("Main", org_id)
    accounts.create_user(email, Role.USER, [aid])
    return aid, accounts.create_token(email)


def test_a_token_shows_who_has_it(accounts: Accounts) -> None:
    """A token authenticates its user alone or with the right address, in whatever case."""
    aid, token = a_user(accounts, "Jane@Example.org")
    for email in (None, "jane@example.org", "JANE@example.ORG"):
        principal = accounts.authenticate_token(token, email)
        assert principal is not None
        assert (principal.email, principal.login_aid) == ("jane@example.org", aid)
        assert principal.roles == {aid: Role.USER}
    assert accounts.authenticate_token(token, "john@example.org") is None
    assert accounts.authenticate_token(token[:-1] + "~") is None
    assert accounts.authenticate_token("\udcff") is None


def test_a_user_sees_exactly_the_groups_given(accounts: Accounts) -> None:
    """Groups of the same organization and of others stay hidden; the first given is for login."""
    first_aid, _ = a_user(accounts)
    org_id = accounts.create_organization("Other")
    aids = [accounts.create_account_group(name, org_id) for name in "abc"]
    accounts.create_user("joe@example.org", Role.ACCOUNT_ADMIN, [aids[2], first_aid], "Joe")
    principal = accounts.authenticate_token(accounts.create_token("joe@example.org"))
    assert principal is not None
    assert (principal.login_aid, principal.org_id) == (aids[2], org_id)
    assert [group.aid for group in accounts.account_groups_of(principal)] == sorted([first_aid, aids[2]])
    assert [member.name for member in accounts.members(aids[2])] == ["Joe"]
    assert accounts.members(aids[0]) == []
    assert [member.role for member in accounts.members(first_aid)] == [Role.USER, Role.ACCOUNT_ADMIN]


def test_the_only_organization_goes_without_saying(accounts: Accounts) -> None:
    """An account group needs no organization named while there is exactly one."""
    with pytest.raises(InvalidValueError, match="none yet"):
        accounts.create_account_group("Main")
    org_id = accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    group = accounts.account_group(aid)
    assert group is not None
    assert (group.org_id, group.org_name) == (org_id, "One")
    accounts.create_organization("Two")
    with pytest.raises(InvalidValueError, match="Two"):
        accounts.create_account_group("More")
    assert accounts.account_group(99) is None


@pytest.mark.parametrize(
    "email", ["", "jane", "a:b@example.org", "a b@c", "a\n@c", "@c", "ä@c", "a@" + "c" * 300]
)
def test_addresses_must_fit_basic_credentials(accounts: Accounts, email: str) -> None:
    """What cannot travel in HTTP Basic or XML is no address."""
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    with pytest.raises(InvalidValueError, match="e-mail"):
        accounts.create_user(email, Role.USER, [aid])


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "line\nbreak", "x" * 256, "\ud800"])
def test_names_must_be_printable(accounts: Accounts, name: str) -> None:
    """What XML cannot carry, or nobody can read, is no name."""
    with pytest.raises(InvalidValueError, match="organization name"):
        accounts.create_organization(name)


def test_nothing_is_made_twice(accounts: Accounts) -> None:
    """A second thing of the same name is a conflict, and an owner that is not there is not found."""
    aid, _ = a_user(accounts)
    org_id = accounts.account_groups()[0].org_id
    with pytest.raises(ConflictError):
        accounts.create_organization("Organization of jane@example.org")
    with pytest.raises(ConflictError):
        accounts.create_account_group("Main", org_id)
    with pytest.raises(ConflictError):
        accounts.create_user("JANE@example.org", Role.USER, [aid])
    with pytest.raises(NotFoundError):
        accounts.create_account_group("Main", 99)
    with pytest.raises(NotFoundError):
        accounts.create_user("new@example.org", Role.USER, [aid, 99])
    with pytest.raises(InvalidValueError):
        accounts.create_user("new@example.org", Role.USER, [])
    with pytest.raises(NotFoundError):
        accounts.create_token("nobody@example.org")
    assert len(accounts.users()) == 1


def test_what_holds_something_stays(accounts: Accounts) -> None:
    """Deleting goes from the leaves up; what is in the way is named."""
    aid, _ = a_user(accounts)
    org_id = accounts.organizations()[0].org_id
    accounts.create_group_key(aid)
    with pytest.raises(ConflictError, match=r"1 account group"):
        accounts.delete_organization(org_id)
    with pytest.raises(ConflictError, match=r"1 user"):
        accounts.delete_account_group(aid)
    accounts.delete_user("jane@example.org")
    with pytest.raises(ConflictError, match=r"1 connection string"):
        accounts.delete_account_group(aid)
    accounts.delete_group_key(accounts.group_keys(aid)[0].key_id)
    accounts.delete_account_group(aid)
    accounts.delete_organization(org_id)
    assert accounts.organizations() == []
    for delete in (accounts.delete_organization, accounts.delete_account_group, accounts.delete_token):
        with pytest.raises(NotFoundError):
            delete(1)
    with pytest.raises(NotFoundError):
        accounts.delete_group_key(1)


def test_ids_are_never_given_twice(accounts: Accounts) -> None:
    """A new account group must not inherit the records of one that was deleted."""
    accounts.create_organization("One")
    aid = accounts.create_account_group("Main")
    accounts.delete_account_group(aid)
    assert accounts.create_account_group("Main") > aid


def test_deleting_a_user_revokes_the_tokens(accounts: Accounts) -> None:
    """A cached principal does not outlive its user."""
    _, token = a_user(accounts)
    assert accounts.authenticate_token(token) is not None
    accounts.delete_user("jane@example.org")
    assert accounts.authenticate_token(token) is None
    assert accounts.tokens() == []


def test_another_door_to_the_same_database_is_heard(
    accounts: Accounts,
    accounts_url: str | None,
    data: Path,
    clock: FakeClock,
    until_heard: Callable[[], None],
) -> None:
    """A token deleted elsewhere is refused: on SQLite by the next request, without time passing."""
    _, token = a_user(accounts)
    assert accounts.authenticate_token(token) is not None
    other = Accounts.open(accounts_url, data, clock)
    try:
        other.delete_token(other.tokens()[0].token_id)
    finally:
        other.close()
    until_heard()
    assert accounts.authenticate_token(token) is None


@pytest.mark.parametrize("accounts_url", ["sqlite"], indirect=True)
def test_secrets_are_nowhere_on_disk(accounts: Accounts, data: Path) -> None:
    """Neither tokens nor keys can be read from the database or its log."""
    aid, token = a_user(accounts)
    key = accounts.create_group_key(aid)
    files = [path.read_bytes() for path in data.iterdir()]
    assert any(b"jane@example.org" in content for content in files)
    assert not any(secret.encode() in content for content in files for secret in (token, key))


@pytest.mark.parametrize("accounts_url", ["sqlite"], indirect=True)
def test_files_are_for_their_owner_alone(accounts: Accounts, data: Path) -> None:
    """Directory, database and write-ahead log are closed to others."""
    a_user(accounts)
    assert data.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in data.iterdir()} == {0o600}
