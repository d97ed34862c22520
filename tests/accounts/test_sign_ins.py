"""Sessions of browsers, and the passwords that begin them."""

from pathlib import Path

import pytest

from hopsight.accounts.accounts import Accounts
from hopsight.accounts.audit import Actor
from hopsight.accounts.browser_sessions import IDLE_S, LONGEST_S, MAX_SESSIONS, Device
from hopsight.accounts.passwords import hash_password, is_password
from hopsight.accounts.user_changes import UserWish
from hopsight.errors import NotFoundError
from hopsight.model.accounts import Role
from hopsight.testing import FakeClock

EMAIL = "jane@example.org"
DEVICE = Device(ip_address="192.0.2.7", browser="Firefox")


@pytest.fixture
def uid(accounts: Accounts) -> int:
    """A user who has the password ``hash``."""
    aid = accounts.create_account_group("Main", accounts.create_organization("One"))
    made = accounts.create_user(EMAIL, Role.USER, [aid])
    accounts.sign_ins.set_password(EMAIL, "hash")
    return made


def begin(accounts: Accounts, device: Device = DEVICE, replaced: str | None = None) -> str:
    """Sign the user in by password; the session's secret."""
    stored = accounts.sign_ins.password_of(EMAIL)
    assert stored is not None
    secret = accounts.sign_ins.begin_by_password(stored, device, replaced)
    assert secret is not None
    return secret


def is_open(accounts: Accounts, secret: str) -> bool:
    """Whether a session is still the user's."""
    found = accounts.sign_ins.authenticate(secret)
    return found is not None and found.principal.email == EMAIL


@pytest.mark.usefixtures("uid")
def test_a_session_survives_restarts_and_holds_in_every_process(
    accounts: Accounts, accounts_url: str | None, data: Path, clock: FakeClock
) -> None:
    """What one process begins another knows, and what one ends is over in the other."""
    secret = begin(accounts)
    other = Accounts.open(accounts_url, data, clock)
    try:
        assert is_open(other, secret)
        accounts.sign_ins.end(secret)
        assert not is_open(other, secret)
    finally:
        other.close()


@pytest.mark.parametrize("accounts_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("uid")
def test_secrets_are_not_in_the_file(accounts: Accounts, data: Path) -> None:
    """A session is kept by the digest of its secret alone, which has 256 random bits."""
    secrets = {begin(accounts) for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret) == 43 for secret in secrets)
    kept = b"".join(file.read_bytes() for file in data.iterdir())
    assert not any(secret.encode() in kept for secret in secrets)


@pytest.mark.usefixtures("uid")
def test_an_idle_session_ends(accounts: Accounts, clock: FakeClock) -> None:
    """After twelve hours in which nothing was seen of it; each look begins them anew."""
    idle, used = begin(accounts), begin(accounts)
    for _ in range(2):
        clock.advance(IDLE_S / 2)
        assert is_open(accounts, used)
    assert not is_open(accounts, idle)
    clock.advance(IDLE_S - 1)
    assert is_open(accounts, used)
    clock.advance(IDLE_S)
    assert not is_open(accounts, used)


@pytest.mark.usefixtures("uid")
def test_no_session_lasts_longer_than_a_week(accounts: Accounts, clock: FakeClock) -> None:
    """Also one that is in use all the time."""
    secret = begin(accounts)
    for _ in range(LONGEST_S // 3_600 - 1):
        clock.advance(3_600)
        assert is_open(accounts, secret)
    clock.advance(3_600)
    assert not is_open(accounts, secret)


def test_sessions_of_one_user_are_bounded(accounts: Accounts, clock: FakeClock, uid: int) -> None:
    """With one too many, the one that was seen least recently ends; those that are over leave no rows."""
    secrets = []
    for _ in range(MAX_SESSIONS):
        secrets.append(begin(accounts))
        clock.advance(61)
    assert is_open(accounts, secrets[0])
    begin(accounts)
    assert [is_open(accounts, secret) for secret in secrets] == [True, False, *[True] * (MAX_SESSIONS - 2)]
    assert len(accounts.sign_ins.sessions_of(uid)) == MAX_SESSIONS
    clock.advance(LONGEST_S)
    begin(accounts)
    with accounts._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM browser_sessions").scalar_one() == 1


def test_a_session_is_told_where_it_is(accounts: Accounts, clock: FakeClock, uid: int) -> None:
    """Address, browser, and when it began and was last seen; a browser that tells a novel is cut short."""
    secret = begin(accounts, Device(ip_address="192.0.2.7", browser="x" * 1_000))
    began_s = int(clock.now())
    clock.advance(120)
    assert is_open(accounts, secret)
    (found,) = accounts.sign_ins.sessions_of(uid)
    assert (found.created_s, found.last_seen_s) == (began_s, began_s + 120)
    assert (found.ip_address, found.browser) == ("192.0.2.7", "x" * 255)


def test_a_user_ends_sessions(accounts: Accounts, uid: int) -> None:
    """One of them, or all others; not those of somebody else."""
    first, second, third = (begin(accounts) for _ in range(3))
    known = accounts.sign_ins.authenticate(first)
    assert known is not None
    with pytest.raises(NotFoundError):
        accounts.sign_ins.end_session(uid + 1, known.session.session_id)
    accounts.sign_ins.end_others(uid + 1, None)
    assert is_open(accounts, first)
    accounts.sign_ins.end_session(uid, known.session.session_id)
    assert [is_open(accounts, secret) for secret in (first, second, third)] == [False, True, True]
    kept = accounts.sign_ins.authenticate(second)
    assert kept is not None
    accounts.sign_ins.end_others(uid, kept.session.session_id)
    assert [is_open(accounts, secret) for secret in (second, third)] == [True, False]


@pytest.mark.usefixtures("uid")
def test_signing_in_again_ends_what_the_browser_had(accounts: Accounts) -> None:
    """The session that the new one replaces is over."""
    first = begin(accounts)
    second = begin(accounts, replaced=first)
    assert (is_open(accounts, first), is_open(accounts, second)) == (False, True)


@pytest.mark.usefixtures("uid")
def test_a_session_ends_with_its_user(accounts: Accounts) -> None:
    """Deleting the user leaves no session."""
    secret = begin(accounts)
    accounts.delete_user(EMAIL)
    assert accounts.sign_ins.authenticate(secret) is None


@pytest.mark.usefixtures("uid")
def test_a_session_ends_with_the_token_that_began_it(accounts: Accounts) -> None:
    """Deleting the token shuts out whoever came with it, and nobody else."""
    token = accounts.create_token(EMAIL)
    by_token, by_password = accounts.sign_ins.begin_by_token(token, DEVICE), begin(accounts)
    assert by_token is not None
    assert is_open(accounts, by_token)
    accounts.delete_token(accounts.tokens()[-1].token_id)
    assert accounts.sign_ins.begin_by_token(token, DEVICE) is None
    assert (is_open(accounts, by_token), is_open(accounts, by_password)) == (False, True)


@pytest.mark.usefixtures("uid")
def test_a_password_that_was_changed_meanwhile_opens_nothing(accounts: Accounts) -> None:
    """What was right when it was looked at must still be the password when the session begins."""
    stored = accounts.sign_ins.password_of(EMAIL)
    assert stored is not None
    accounts.sign_ins.set_password(EMAIL, "another")
    assert accounts.sign_ins.begin_by_password(stored, DEVICE) is None


def test_another_role_holds_at_once(accounts: Accounts, uid: int) -> None:
    """A session may what its user may now, not what the user might when it began."""
    secret = begin(accounts)
    accounts.change_user(1, uid, UserWish(roles={1: Role.ORG_ADMIN}))
    found = accounts.sign_ins.authenticate(secret)
    assert found is not None
    assert found.principal.roles == {1: Role.ORG_ADMIN}


@pytest.mark.usefixtures("uid")
def test_who_came_and_who_was_kept_out_is_in_the_log(accounts: Accounts) -> None:
    """Signing in with who and where; too many wrong passwords of a user, and from an address; changes."""
    begin(accounts)
    accounts.sign_ins.note_lockout(EMAIL, "198.51.100.1")
    accounts.sign_ins.note_lockout("nobody@example.org", "198.51.100.1")
    accounts.sign_ins.note_lockout(None, "198.51.100.1")
    accounts.sign_ins.set_password(EMAIL, None, Actor(who=EMAIL, uid=1, ip_address="192.0.2.7"))
    events = accounts.audit_events(None, first_s=0, last_s=1 << 40)[-4:]
    told = [(each.event, each.who, each.aid, each.ip_address, each.resources[0].name) for each in events]
    user = f"{EMAIL} (1)"
    assert told == [
        ("User signed in", EMAIL, 1, "192.0.2.7", user),
        ("Sign-in locked out", "sign-in page", 1, "198.51.100.1", user),
        ("Sign-in locked out", "sign-in page", None, "198.51.100.1", "198.51.100.1"),
        ("User password removed", EMAIL, 1, "192.0.2.7", user),
    ]


@pytest.mark.usefixtures("uid")
def test_personal_data_of_sessions_is_given_out_and_erased(accounts: Accounts) -> None:
    """Where somebody signed in is theirs: exported without secrets, and gone with them, from the log, too."""
    begin(accounts)
    accounts.sign_ins.note_lockout(EMAIL, "198.51.100.1")
    subject = accounts.personal_data.user_of(EMAIL)
    rows = dict(accounts.personal_data.export(subject))
    assert rows["browser_sessions"]["ip_address"] == "192.0.2.7"
    assert "digest" not in rows["browser_sessions"]
    assert "password_hash" not in rows["user_passwords"]
    accounts.personal_data.erase(subject)
    assert not any(accounts.personal_data.count(subject).values())
    events = accounts.audit_events(None, first_s=0, last_s=1 << 40)
    assert {each.ip_address for each in events} == {None}


def test_a_password_is_hashed_slowly(accounts: Accounts) -> None:
    """As argon2id with 64 MiB and a salt of its own; nothing is a password of nobody."""
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hashed != hash_password("correct horse")
    assert is_password(hashed, "correct horse")
    assert not is_password(hashed, "correct horse ")
    assert not is_password(None, "of no account")
    assert not is_password("no hash", "no hash")
    assert accounts.sign_ins.password_of(EMAIL) is None
