"""Who is signed in to the pages: a random ID in a cookie, kept as SHA-256, for a while."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, select, update

from hopsight.accounts import schema
from hopsight.accounts.credentials import digest_of, new_secret

IDLE_S: Final = 12 * 3_600
"""A session of which nothing is seen for so long is over."""
LONGEST_S: Final = 7 * 86_400
"""Every session is over after so long."""
MAX_SESSIONS: Final = 20
"""Of one user; one more, and the one that was seen least recently ends."""
SEEN_EVERY_S: Final = 60
"""How often it is noted that a session is in use."""
LOCKED_OUT: Final = "Sign-in locked out"
"""What the log says of too many wrong passwords."""

_BROWSER_CHARS: Final = 255
_table: Final = schema.browser_sessions


class Device(Struct, frozen=True, kw_only=True):
    """Where somebody signs in: an address, and what the browser says that it is."""

    ip_address: str | None = None
    browser: str | None = None


class BrowserSession(Struct, frozen=True, kw_only=True):
    """One session, without its secret; times are epoch seconds."""

    session_id: int
    uid: int
    created_s: int
    last_seen_s: int
    expires_s: int
    ip_address: str | None
    browser: str | None


def begin(connection: Connection, uid: int, token_id: int | None, device: Device, now_s: int) -> str:
    """Begin a session, and end those that are too many or too old; its secret."""
    secret = new_secret()
    connection.execute(delete(_table).where(_table.c.expires_s <= now_s))
    connection.execute(
        insert(_table).values(
            digest=digest_of(secret),
            uid=uid,
            token_id=token_id,
            created_s=now_s,
            last_seen_s=now_s,
            expires_s=_expiry(now_s, now_s),
            ip_address=device.ip_address,
            browser=None if device.browser is None else device.browser[:_BROWSER_CHARS],
        )
    )
    of_user = select(_table.c.session_id).where(_table.c.uid == uid)
    newest_first = of_user.order_by(_table.c.last_seen_s.desc(), _table.c.session_id.desc())
    surplus = list(connection.execute(newest_first).scalars())[MAX_SESSIONS:]
    if surplus:
        connection.execute(delete(_table).where(_table.c.session_id.in_(surplus)))
    return secret


def find(connection: Connection, digest: bytes, now_s: int) -> BrowserSession | None:
    """The session with this digest, unless it is over."""
    row = connection.execute(select(_table).where(_table.c.digest == digest)).first()
    return None if row is None or row.expires_s <= now_s else _listed(row)


def seen(connection: Connection, session: BrowserSession, now_s: int) -> None:
    """Note that a session is in use: it lasts longer."""
    chosen = update(_table).where(_table.c.session_id == session.session_id)
    connection.execute(chosen.values(last_seen_s=now_s, expires_s=_expiry(session.created_s, now_s)))


def listing(connection: Connection, uid: int, now_s: int) -> list[BrowserSession]:
    """The open sessions of a user, the one that was seen last first."""
    query = select(_table).where(_table.c.uid == uid, _table.c.expires_s > now_s)
    newest_first = query.order_by(_table.c.last_seen_s.desc(), _table.c.session_id.desc())
    return [_listed(row) for row in connection.execute(newest_first)]


def end(connection: Connection, digest: bytes) -> None:
    """End the session with this digest, if there is one."""
    connection.execute(delete(_table).where(_table.c.digest == digest))


def end_of_user(
    connection: Connection, uid: int, session_id: int | None = None, *, but: int | None = None
) -> int:
    """End one of a user's sessions, or all (``but`` one); how many that were."""
    condition = _table.c.uid == uid
    if session_id is not None:
        condition &= _table.c.session_id == session_id
    if but is not None:
        condition &= _table.c.session_id != but
    return connection.execute(delete(_table).where(condition)).rowcount


def _expiry(created_s: int, seen_s: int) -> int:
    return min(created_s + LONGEST_S, seen_s + IDLE_S)


def _listed(row: Row[tuple[object, ...]]) -> BrowserSession:
    return BrowserSession(
        session_id=row.session_id,
        uid=row.uid,
        created_s=row.created_s,
        last_seen_s=row.last_seen_s,
        expires_s=row.expires_s,
        ip_address=row.ip_address,
        browser=row.browser,
    )
