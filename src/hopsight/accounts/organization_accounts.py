"""What administrators of an organization do to its users and account groups, as they may over the API."""

from collections.abc import Collection

from hopsight.accounts import managed_groups, organization_users, user_changes
from hopsight.accounts.audit import CONSOLE, Actor, Change
from hopsight.accounts.credentials import digest_of, new_secret
from hopsight.accounts.database import Database
from hopsight.accounts.listings import OrganizationUser, Token
from hopsight.accounts.user_changes import UserWish
from hopsight.clock import Clock


class OrganizationAccounts:
    """The part of ``Accounts`` that belongs to one organization at a time; it raises as that does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def users_of(self, aids: Collection[int], uid: int | None = None) -> list[OrganizationUser]:
        """The users (or one) with a role in these account groups, by ID, and nothing of other ones."""
        with self._database.read() as connection:
            return organization_users.listing(connection, aids, uid)

    def groups_of_organization(self, org_id: int) -> set[int]:
        """The IDs of the account groups of an organization."""
        with self._database.read() as connection:
            return organization_users.groups_of(connection, org_id)

    def add_user(self, org_id: int, wish: UserWish, by: Actor = CONSOLE) -> tuple[int, str]:
        """Add a user to an organization; the ID, and a token that can be seen this once."""
        token = new_secret()
        with self._database.write() as connection:
            uid = user_changes.create(connection, org_id, wish, digest_of(token), self._change(by))
        return uid, token

    def change_user(self, org_id: int, uid: int, wish: UserWish, by: Actor = CONSOLE) -> None:
        """Change a user as far as the organization may."""
        with self._database.write() as connection:
            user_changes.change_user(connection, org_id, uid, wish, self._change(by))

    def remove_user(self, org_id: int, uid: int, by: Actor = CONSOLE) -> None:
        """Take a user out of an organization; who is in no other is deleted."""
        with self._database.write() as connection:
            user_changes.remove(connection, org_id, uid, self._change(by))

    def tokens_of(self, org_id: int, uid: int, by: Actor = CONSOLE) -> list[Token]:
        """A user's tokens without their secrets, by ID."""
        with self._database.read() as connection:
            return user_changes.tokens_of(connection, org_id, uid, by.uid)

    def add_token(self, org_id: int, uid: int, by: Actor = CONSOLE) -> tuple[int, str]:
        """Make a token for a user; its ID, and the token, which can be seen this once."""
        token = new_secret()
        with self._database.write() as connection:
            added = user_changes.add_token(connection, org_id, uid, digest_of(token), self._change(by))
        return added, token

    def remove_token(self, org_id: int, uid: int, token_id: int, by: Actor = CONSOLE) -> None:
        """Delete a token of a user of an organization."""
        with self._database.write() as connection:
            user_changes.remove_token(connection, org_id, uid, token_id, self._change(by))

    def end_sessions(self, org_id: int, uid: int, by: Actor = CONSOLE) -> None:
        """Sign a user of an organization out of every browser."""
        with self._database.write(changes_rights=False) as connection:
            user_changes.end_sessions(connection, org_id, uid, self._change(by))

    def add_group(self, org_id: int, name: str, uid: int, by: Actor = CONSOLE) -> int:
        """Add an account group to an organization, with its maker as organization admin; its ID."""
        with self._database.write() as connection:
            return managed_groups.create(connection, org_id, name, uid, self._change(by))

    def rename_group(self, aid: int, name: str, by: Actor = CONSOLE) -> None:
        """Name an account group."""
        with self._database.write() as connection:
            managed_groups.rename(connection, aid, name, self._change(by))

    def remove_group(self, aid: int, by: Actor = CONSOLE) -> None:
        """Delete an account group whose users all have others, with its keys; one with agents stays."""
        with self._database.write() as connection:
            managed_groups.remove(connection, aid, self._change(by))

    def _change(self, by: Actor) -> Change:
        return Change(by, self._now_s())

    def _now_s(self) -> int:
        return int(self._clock.now())
