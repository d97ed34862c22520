"""The door to accounts: who there is, who may see what, and which agents belong where."""

import hmac
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Self

from hopsight.accounts import (
    agent_changes,
    agents,
    audit,
    bootstrap,
    console_users,
    group_keys,
    organizations,
    targets,
    tokens,
    users,
)
from hopsight.accounts.agent_changes import Transfer
from hopsight.accounts.alerts import Alerts
from hopsight.accounts.audit import CONSOLE, Actor, AuditEvent, Resource, Words
from hopsight.accounts.bootstrap_file import Bootstrap
from hopsight.accounts.cache import RevisionCache
from hopsight.accounts.credentials import digest_of, new_secret
from hopsight.accounts.database import Database
from hopsight.accounts.labels import Labels
from hopsight.accounts.listings import (
    GroupKey,
    ListedTarget,
    Organization,
    Token,
    User,
)
from hopsight.accounts.network_names import NetworkNames
from hopsight.accounts.organization_accounts import OrganizationAccounts
from hopsight.accounts.personal_data import PersonalData
from hopsight.accounts.sightings import Sightings
from hopsight.accounts.sign_ins import SignIns
from hopsight.clock import Clock
from hopsight.errors import AuthenticationError
from hopsight.model.accounts import AccountGroup, AgentPrincipal, Member, Principal, Role
from hopsight.model.agents import Agent, AgentInfo, Target
from hopsight.model.upload import Enrolment, EnrolmentAnswer

MAX_AGENTS: Final = 100_000
"""Agents that are not deleted, in one account group."""


class Accounts(OrganizationAccounts):
    """Organizations, account groups, users, tokens, and agents with their keys.

    Every method is short and synchronous, and may raise ``StoreUnavailableError``. ``create_...`` raise
    ``InvalidValueError`` (a value is wrong), ``NotFoundError`` (what it belongs to is not there) and
    ``ConflictError`` (it exists); ``delete_...`` raise ``NotFoundError``, and ``ConflictError`` when it
    still holds something. Several processes may use the same database at the same time.
    """

    def __init__(self, database: Database, data: Path, clock: Clock, *, max_agents: int = MAX_AGENTS) -> None:
        super().__init__(database, clock)
        self._data = data
        self._max_agents = max_agents
        self._principals = RevisionCache[bytes, Principal]()
        self._agents = RevisionCache[str, tuple[bytes, AgentPrincipal]]()
        self._targets = RevisionCache[int, tuple[ListedTarget, ...]]()
        self._sightings = Sightings(database, clock)
        self.networks = NetworkNames(database, clock)
        self.labels = Labels(database, clock)
        self.personal_data = PersonalData(database, clock)
        self.sign_ins = SignIns(database, clock)
        self.alerts = Alerts(database, clock)

    @classmethod
    def open(cls, url: str | None, data: Path, clock: Clock, *, max_agents: int = MAX_AGENTS) -> Self:
        """Open the accounts at ``url`` (SQLite or PostgreSQL; None: ``accounts.db`` in ``data``).

        Creates what is not there yet, for the owner alone.

        Raises:
            ConfigError: ``url`` is wrong, or a newer Hopsight has written the database.
        """
        return cls(Database.open(url, data, clock), data, clock, max_agents=max_agents)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        try:
            self._sightings.flush()
        finally:
            self._database.close()

    def tell_changes(self, to: Callable[[], None]) -> None:
        """Have ``to`` called when rights may have changed here, so that other servers can be told."""
        self._database.on_change = to

    def look_again(self) -> None:
        """Rights may have changed elsewhere: believe nothing that was read before."""
        self._database.look_again()

    def bootstrap(self, public_url: str) -> Bootstrap:
        """Make the first account at the first start (``<data>/bootstrap.json``, 0600); later: read it.

        The answer holds secrets: keep it out of logs. ``token`` and ``group_key`` are None when an
        administrator has deleted them since.
        """
        with self._database.write() as connection:
            return bootstrap.bootstrap(connection, self._data, public_url, self._now_s())

    # Organizations and account groups

    def create_organization(self, name: str, by: Actor = CONSOLE) -> int:
        """Add an organization; its ID."""
        with self._database.write() as connection:
            return organizations.create(connection, name, self._change(by))

    def organizations(self) -> list[Organization]:
        """All organizations, by ID."""
        with self._database.read() as connection:
            return organizations.listing(connection)

    def delete_organization(self, org_id: int, by: Actor = CONSOLE) -> None:
        """Delete an organization that has no account groups."""
        with self._database.write() as connection:
            organizations.remove(connection, org_id, self._change(by))

    def create_account_group(self, name: str, org_id: int | None = None, by: Actor = CONSOLE) -> int:
        """Add an account group to an organization (None: the only one there is); its ID."""
        with self._database.write() as connection:
            return organizations.create_group(connection, name, org_id, self._change(by))

    def account_groups(self) -> list[AccountGroup]:
        """All account groups, by ID."""
        with self._database.read() as connection:
            return organizations.groups(connection)

    def account_group(self, aid: int) -> AccountGroup | None:
        """One account group."""
        with self._database.read() as connection:
            return next(iter(organizations.groups(connection, {aid})), None)

    def account_groups_of(self, principal: Principal) -> list[AccountGroup]:
        """The account groups that a user may see, by ID."""
        with self._database.read() as connection:
            return organizations.groups(connection, set(principal.roles))

    def members(self, aid: int) -> list[Member]:
        """The users of an account group, by ID; none when there is no such group."""
        with self._database.read() as connection:
            return users.members(connection, aid)

    def delete_account_group(self, aid: int, by: Actor = CONSOLE) -> None:
        """Delete an account group without users, keys and agents (deleted agents and targets go with it)."""
        with self._database.write() as connection:
            organizations.remove_group(connection, aid, self._change(by))

    # Users and tokens

    def create_user(
        self, email: str, role: Role, aids: Sequence[int], name: str | None = None, by: Actor = CONSOLE
    ) -> int:
        """Add a user who has ``role`` in exactly ``aids``, the first for login; the ID."""
        with self._database.write() as connection:
            return console_users.create(connection, email, role, aids, name, self._change(by))

    def users(self) -> list[User]:
        """All users, by ID."""
        with self._database.read() as connection:
            return users.listing(connection)

    def delete_user(self, email: str, by: Actor = CONSOLE) -> None:
        """Delete a user and the user's tokens."""
        with self._database.write() as connection:
            console_users.remove(connection, email, self._change(by))

    def create_token(self, email: str, by: Actor = CONSOLE) -> str:
        """Make a token for a user. It is kept hashed: this is the only time that it can be seen."""
        token = new_secret()
        with self._database.write() as connection:
            console_users.add_token(connection, email, digest_of(token), self._change(by))
        return token

    def tokens(self) -> list[Token]:
        """All tokens without their secrets, by ID."""
        with self._database.read() as connection:
            return tokens.listing(connection)

    def delete_token(self, token_id: int, by: Actor = CONSOLE) -> None:
        """Delete a token: it is refused from now on; by other servers on PostgreSQL in two seconds."""
        with self._database.write() as connection:
            console_users.remove_token(connection, token_id, self._change(by))

    def authenticate_token(self, token: str, email: str | None = None) -> Principal | None:
        """Who shows this token; None: nobody, or (Basic gives both) not the user ``email``."""
        digest = digest_of(token)
        principal = self._principals.get(digest, self._database.current_revision())
        if principal is None:
            with self._database.read() as connection:
                principal = tokens.principal_of(connection, digest)
            if principal is None:
                return None
            self._principals.put(digest, principal)
        return principal if email is None or email.lower() == principal.email else None

    # Agents, their keys and targets

    def create_group_key(self, aid: int, by: Actor = CONSOLE) -> str:
        """Make a key for connection strings of an account group; it can be seen this once."""
        key = new_secret()
        with self._database.write() as connection:
            group_keys.create(connection, aid, digest_of(key), self._change(by))
        return key

    def group_keys(self, aid: int | None = None) -> list[GroupKey]:
        """Keys without their secrets, by ID: all, or those of an account group."""
        with self._database.read() as connection:
            return group_keys.listing(connection, aid)

    def delete_group_key(self, key_id: int, by: Actor = CONSOLE) -> None:
        """Delete a key: no agent can enrol with it any more; those that have, stay."""
        with self._database.write() as connection:
            group_keys.remove(connection, key_id, self._change(by))

    def knows_group_key(self, key: str) -> bool:
        """Whether an account group has this key: asked before anything else of who shows it is read."""
        with self._database.read() as connection:
            return group_keys.find(connection, digest_of(key)) is not None

    def enrol(self, key: str, enrolment: Enrolment, public_ip: str | None) -> EnrolmentAnswer:
        """Let an agent into the account group of ``key``; the same enrolment again has the same answer.

        Raises:
            AuthenticationError: no account group has this key.
            ConflictError: the enrolment ID is taken (other secret, other account group, or its agent was
                deleted), or the account group is full.
        """
        with self._database.write(changes_rights=False) as connection:
            found = group_keys.find(connection, digest_of(key))
            if found is None:
                raise AuthenticationError("The account group key is unknown")
            known = agents.enrolled(connection, found.aid, enrolment)
            if known is not None:
                return known
            change = self._change(group_keys.bearer(found, public_ip))
            return agents.enrol(connection, found.aid, enrolment, change, self._max_agents)

    def authenticate_agent(self, agent_id: str, secret: str) -> AgentPrincipal | None:
        """The agent that shows this secret; None: unknown, deleted, or another secret."""
        found = self._agents.get(agent_id, self._database.current_revision())
        if found is None:
            with self._database.read() as connection:
                found = agents.principal_of(connection, agent_id)
            if found is None:
                return None
            self._agents.put(agent_id, found)
        digest, principal = found
        return principal if hmac.compare_digest(digest, digest_of(secret)) else None

    def agent_seen(
        self,
        agent_id: str,
        public_ip: str | None,
        info: AgentInfo | None = None,
        network_id: str | None = None,
    ) -> None:
        """Note that an authenticated agent was here now (how it describes itself, its network); never fails.

        Gathered in memory, and written after a few seconds or by ``close``.
        """
        self._sightings.add(agent_id, public_ip, info, network_id)

    def flush(self) -> None:
        """Write now what ``agent_seen`` has gathered."""
        self._sightings.flush()

    def agents(
        self,
        aid: int,
        *,
        deleted: bool = False,
        agent_name: str | None = None,
        computer_name: str | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[Agent]:
        """Agents of an account group by ID: the first ``limit`` behind the ID ``after``.

        Args:
            aid: account group.
            deleted: those that were deleted, instead of those that were not.
            agent_name: exactly this.
            computer_name: exactly this.
            after: keyset: ID of the last agent of the page before.
            limit: at most so many.
        """
        with self._database.read() as connection:
            found = agents.page(
                connection,
                aid,
                deleted=deleted,
                agent_name=agent_name,
                computer_name=computer_name,
                after=after,
                limit=limit,
            )
        return [self._sightings.applied_to(agent) for agent in found]

    def count_agents(
        self,
        aid: int,
        *,
        deleted: bool = False,
        agent_name: str | None = None,
        computer_name: str | None = None,
    ) -> int:
        """How many agents ``agents`` would list in all, page by page."""
        with self._database.read() as connection:
            return agents.count(
                connection, aid, deleted=deleted, agent_name=agent_name, computer_name=computer_name
            )

    def agent(self, aid: int, agent_id: str) -> Agent | None:
        """One agent of an account group, deleted or not."""
        with self._database.read() as connection:
            found = agents.find(connection, aid, agent_id)
        return None if found is None else self._sightings.applied_to(found)

    def agent_names(self, aid: int, agent_ids: Collection[str]) -> dict[str, str]:
        """Names of these agents (at most a page of them) by ID, of deleted ones too; not of unknown ones."""
        with self._database.read() as connection:
            return agents.names(connection, aid, agent_ids)

    def rename_agent(self, aid: int, agent_id: str, name: str, by: Actor = CONSOLE) -> None:
        """Name an agent; from now on what it calls itself no longer counts.

        Raises:
            NotFoundError: the account group has no such agent (as in the next methods).
            InvalidValueError: no name.
        """
        with self._database.write() as connection:
            agent_changes.rename(connection, aid, agent_id, name, self._change(by))

    def set_agent_enabled(self, aid: int, agent_id: str, *, enabled: bool, by: Actor = CONSOLE) -> None:
        """Let an agent measure, or not."""
        with self._database.write() as connection:
            agent_changes.set_enabled(connection, aid, agent_id, self._change(by), enabled=enabled)

    def delete_agent(self, aid: int, agent_id: str, by: Actor = CONSOLE) -> None:
        """Shut an agent out; what it has measured stays, and for a week it can be restored."""
        with self._database.write() as connection:
            agent_changes.remove(connection, aid, agent_id, self._change(by))

    def restore_agent(self, aid: int, agent_id: str, by: Actor = CONSOLE) -> None:
        """Let a deleted agent in again.

        Raises:
            ConflictError: it is not deleted, or was too long ago.
        """
        with self._database.write() as connection:
            agent_changes.restore(connection, aid, agent_id, self._change(by))

    def transfer_agents(self, moves: Sequence[Transfer], by: Actor = CONSOLE) -> None:
        """Move agents between account groups, all of them or none; what they have measured stays."""
        self._sightings.flush()
        with self._database.write() as connection:
            agent_changes.transfer(connection, moves, self._change(by))

    def audit_events(
        self,
        aids: Collection[int] | None,
        *,
        first_s: int,
        last_s: int,
        org_ids: Collection[int] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> list[AuditEvent]:
        """Changes from ``first_s`` to ``last_s``, oldest first, behind the event ``after``.

        Args:
            aids: in these account groups; None: all there is.
            first_s: epoch seconds, inclusive.
            last_s: epoch seconds, inclusive.
            org_ids: and those of these organizations that are in no account group.
            after: keyset: ID of the last event of the page before.
            limit: at most so many.
        """
        scope = audit.Scope(aids, org_ids)
        with self._database.read() as connection:
            return audit.events(connection, scope, first_s=first_s, last_s=last_s, after=after, limit=limit)

    def note(self, aid: int, event: str, resources: Sequence[Resource], by: Actor) -> None:
        """Write down in the log of changes what was done in an account group outside of this database."""
        with self._database.write(changes_rights=False) as connection:
            organizations.note(connection, aid, event, resources, self._change(by))

    def newest_audit_events(
        self,
        aids: Collection[int],
        words: Words,
        *,
        first_s: int,
        last_s: int,
        org_ids: Collection[int] = (),
        before: int | None = None,
        limit: int = 1000,
    ) -> list[AuditEvent]:
        """The same, newest first, those that have ``words``; ``before``: ID of the page before's last."""
        scope = audit.Scope(aids, org_ids)
        with self._database.read() as connection:
            return audit.newest(
                connection, scope, words, first_s=first_s, last_s=last_s, before=before, limit=limit
            )

    def add_target(
        self, aid: int, target: Target, agent_ids: Collection[str] = (), by: Actor = CONSOLE
    ) -> int:
        """Have agents of an account group (none named: all of them) measure ``target``; its ID."""
        with self._database.write() as connection:
            return targets.add(connection, aid, target, agent_ids, self._change(by))

    def change_target(
        self,
        target_id: int,
        *,
        interval_s: int | None = None,
        agent_ids: Collection[str] | None = None,
        by: Actor = CONSOLE,
    ) -> None:
        """Set how often a target is measured, or by whom (none: all); None leaves either as it is.

        Raises:
            NotFoundError: there is no such target, or its account group has no such agent.
        """
        with self._database.write() as connection:
            targets.update_target(
                connection, target_id, self._change(by), interval_s=interval_s, agent_ids=agent_ids
            )

    def targets_of(self, agent: AgentPrincipal) -> tuple[Target, ...]:
        """What an agent measures. Asked every few seconds by every agent, so kept until something changes."""
        listed = self._targets.get(agent.aid, self._database.current_revision())
        if listed is None:
            listed = tuple(self.listed_targets(agent.aid))
            self._targets.put(agent.aid, listed)
        return tuple(item.target for item in listed if not item.agent_ids or agent.agent_id in item.agent_ids)

    def listed_targets(self, aid: int | None = None) -> list[ListedTarget]:
        """Targets with their IDs: all, or those of an account group."""
        with self._database.read() as connection:
            return targets.listing(connection, aid)

    def delete_target(self, target_id: int, by: Actor = CONSOLE) -> None:
        """Delete a target."""
        with self._database.write() as connection:
            targets.remove(connection, target_id, self._change(by))
