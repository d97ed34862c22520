"""Signing in to the pages: passwords, and the sessions of browsers. What matters of it is in the log."""

import contextlib

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select

from hopsight.accounts import audit, browser_sessions, console_users, organizations, schema, tokens, users
from hopsight.accounts.audit import CONSOLE, Actor, Change, Resource
from hopsight.accounts.browser_sessions import LOCKED_OUT, SEEN_EVERY_S, BrowserSession, Device
from hopsight.accounts.credentials import digest_of
from hopsight.accounts.database import Database
from hopsight.clock import Clock
from hopsight.errors import NotFoundError, StoreUnavailableError
from hopsight.model.accounts import Principal

_table = schema.passwords


class StoredPassword(Struct, frozen=True, kw_only=True):
    """What is kept of a user's password; not for logs."""

    uid: int
    password_hash: str


class SignedIn(Struct, frozen=True, kw_only=True):
    """Somebody with an open session."""

    principal: Principal
    session: BrowserSession


class SignIns:
    """The door to who is signed in; every method may raise ``StoreUnavailableError``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def password_of(self, email: str) -> StoredPassword | None:
        """What is kept of the password of the user with this address; None: no such user, or no password."""
        query = select(_table).join(schema.users).where(schema.users.c.email == email.strip().lower())
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else StoredPassword(uid=row.uid, password_hash=row.password_hash)

    def set_password(self, email: str, password_hash: str | None, by: Actor = CONSOLE) -> None:
        """Give a user another password (None: none), and end all of the user's sessions.

        Raises:
            NotFoundError: there is no such user.
            InvalidValueError: that is no address.
        """
        change = self._change(by)
        with self._database.write(changes_rights=False) as connection:
            uid = users.require_uid(connection, email)
            connection.execute(delete(_table).where(_table.c.uid == uid))
            if password_hash is not None:
                values = {"uid": uid, "password_hash": password_hash, "changed_s": change.now_s}
                connection.execute(insert(_table).values(**values))
            browser_sessions.end_of_user(connection, uid)
            event = "User password removed" if password_hash is None else "User password changed"
            console_users.note(connection, uid, event, change)

    def begin_by_password(
        self, stored: StoredPassword, device: Device, replaced: str | None = None
    ) -> str | None:
        """Begin a session of the user whose password was shown; its secret.

        ``replaced`` is the secret of the session that the browser had: it ends.

        Returns:
            None: the password, or the user, is another by now.
        """
        query = select(_table.c.password_hash).where(_table.c.uid == stored.uid)
        with self._database.write(changes_rights=False) as connection:
            if connection.execute(query).scalar_one_or_none() != stored.password_hash:
                return None
            return self._begin(connection, stored.uid, None, device, replaced)

    def begin_by_token(self, token: str, device: Device, replaced: str | None = None) -> str | None:
        """Begin a session that ends, at the latest, with the token; None: the token is not known."""
        digest = digest_of(token)
        with self._database.write(changes_rights=False) as connection:
            principal = tokens.principal_of(connection, digest)
            if principal is None:
                return None
            return self._begin(connection, principal.uid, tokens.find(connection, digest), device, replaced)

    def begin_by_email(self, email: str, device: Device, replaced: str | None = None) -> str | None:
        """Begin a session of the user with this address, for whom another vouches; None: there is none."""
        with self._database.write(changes_rights=False) as connection:
            uid = users.find_uid(connection, email)
            return None if uid is None else self._begin(connection, uid, None, device, replaced)

    def authenticate(self, secret: str) -> SignedIn | None:
        """Whose session this is; None: nobody's, or it is over."""
        now_s, digest = self._now_s(), digest_of(secret)
        with self._database.read() as connection:
            session = browser_sessions.find(connection, digest, now_s)
            if session is None:
                return None
            principal = tokens.principal_of(connection, digest, schema.browser_sessions)
        if principal is None:
            return None
        if now_s - session.last_seen_s >= SEEN_EVERY_S:
            # Whoever looks is not kept from it because this cannot be noted now.
            with (
                contextlib.suppress(StoreUnavailableError),
                self._database.write(changes_rights=False) as connection,
            ):
                browser_sessions.seen(connection, session, now_s)
        return SignedIn(principal=principal, session=session)

    def sessions_of(self, uid: int) -> list[BrowserSession]:
        """The open sessions of a user, the one that was seen last first."""
        with self._database.read() as connection:
            return browser_sessions.listing(connection, uid, self._now_s())

    def end(self, secret: str) -> None:
        """End a session: its secret opens nothing any more, in no process."""
        with self._database.write(changes_rights=False) as connection:
            browser_sessions.end(connection, digest_of(secret))

    def end_session(self, uid: int, session_id: int) -> None:
        """End one of a user's sessions.

        Raises:
            NotFoundError: the user has no such session.
        """
        with self._database.write(changes_rights=False) as connection:
            if browser_sessions.end_of_user(connection, uid, session_id) == 0:
                raise NotFoundError(f"You have no session {session_id}; it may be over by now")

    def end_others(self, uid: int, session_id: int | None) -> None:
        """End all of a user's sessions but this one."""
        with self._database.write(changes_rights=False) as connection:
            browser_sessions.end_of_user(connection, uid, but=session_id)

    def note_lockout(self, email: str | None, ip_address: str | None) -> None:
        """Put into the log that no passwords are taken for a while: of a user, or (None) from an address."""
        by = Actor(who="sign-in page", ip_address=ip_address)
        change = self._change(by)
        with self._database.write(changes_rights=False) as connection:
            uid = None if email is None else users.find_uid(connection, email)
            if uid is not None:
                console_users.note(connection, uid, LOCKED_OUT, change)
            elif email is None:
                address = Resource(type="address", name=ip_address or "unknown")
                audit.record(connection, by, LOCKED_OUT, [address], now_s=change.now_s)

    def _begin(
        self, connection: Connection, uid: int, token_id: int | None, device: Device, replaced: str | None
    ) -> str:
        now_s = self._now_s()
        if replaced is not None:
            browser_sessions.end(connection, digest_of(replaced))
        secret = browser_sessions.begin(connection, uid, token_id, device, now_s)
        principal = tokens.principal_of(connection, digest_of(secret), schema.browser_sessions)
        if principal is not None:
            # In the account group of the login alone: signing in concerns none more than others.
            by = Actor(who=principal.email, uid=uid, ip_address=device.ip_address)
            resource = Resource(type="user", name=f"{principal.email} ({uid})")
            change = Change(by, now_s)
            organizations.note(connection, principal.login_aid, "User signed in", [resource], change)
        return secret

    def _change(self, by: Actor) -> Change:
        return Change(by, self._now_s())

    def _now_s(self) -> int:
        return int(self._clock.now())
