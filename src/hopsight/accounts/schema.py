"""The tables. Secrets are kept as SHA-256 alone; IDs are never given twice (records outlive their owners)."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, nullable=False),
)

# Rises with every change that could make a cached principal wrong.
revision = Table(
    "revision",
    metadata,
    Column("number", Integer, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("org_id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

account_groups = Table(
    "account_groups",
    metadata,
    Column("aid", Integer, primary_key=True),
    Column("org_id", ForeignKey("organizations.org_id"), nullable=False),
    Column("name", String(255), nullable=False),
    UniqueConstraint("org_id", "name"),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("uid", Integer, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    # NULL: made before this was noted.
    Column("created_s", Integer),
    sqlite_autoincrement=True,
)

memberships = Table(
    "memberships",
    metadata,
    Column("uid", ForeignKey("users.uid", ondelete="CASCADE"), primary_key=True),
    Column("aid", ForeignKey("account_groups.aid"), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("login", Boolean, nullable=False),
    Index("memberships_by_aid", "aid"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("uid", ForeignKey("users.uid", ondelete="CASCADE"), nullable=False),
    Column("created_s", Integer, nullable=False),
    Index("tokens_by_uid", "uid"),
    sqlite_autoincrement=True,
)

group_keys = Table(
    "account_group_keys",
    metadata,
    Column("key_id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("aid", ForeignKey("account_groups.aid"), nullable=False),
    Column("created_s", Integer, nullable=False),
    Index("account_group_keys_by_aid", "aid"),
    sqlite_autoincrement=True,
)

agents = Table(
    "agents",
    metadata,
    Column("agent_id", String(36), primary_key=True),
    Column("aid", ForeignKey("account_groups.aid"), nullable=False),
    Column("enrolment_id", String(36), nullable=False, unique=True),
    Column("secret_digest", LargeBinary(32), nullable=False),
    Column("info", Text, nullable=False),
    Column("agent_name", String(255), nullable=False),
    Column("computer_name", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created_s", Integer, nullable=False),
    Column("last_seen_s", Integer, nullable=False),
    Column("public_ip", String(45)),
    # A name that an administrator gave: what the agent calls itself no longer counts.
    Column("given_name", String(255)),
    # When it was deleted; NULL with ``deleted``: before this was noted, and so too long ago to restore.
    Column("deleted_s", Integer),
    # Where it measured last: by the network's name it is told where the agent is.
    Column("network_id", String(12)),
    Index("agents_by_aid", "aid", "deleted", "agent_id"),
)

# Where an agent was before it was transferred: what it measured there may still be on its way.
former_groups = Table(
    "agent_former_groups",
    metadata,
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True),
)

targets = Table(
    "targets",
    metadata,
    Column("target_id", Integer, primary_key=True),
    Column("aid", ForeignKey("account_groups.aid"), nullable=False),
    Column("host", String(253), nullable=False),
    # 0 stands for "none": NULLs are never equal, and equal targets must clash.
    Column("port", Integer, nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("interval_s", Integer, nullable=False, server_default="60"),
    UniqueConstraint("aid", "host", "port", "protocol"),
    sqlite_autoincrement=True,
)

# Which agents measure a target. No row: all of its account group, also those that enrol later.
target_agents = Table(
    "target_agents",
    metadata,
    Column("target_id", ForeignKey("targets.target_id", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
)

# What operators call agents to tell them apart; any number of agents may share one.
agent_labels = Table(
    "agent_labels",
    metadata,
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("label", String(255), primary_key=True),
)

# What administrators call networks, and where they are: for those that no database of addresses knows.
network_names = Table(
    "network_names",
    metadata,
    Column("aid", ForeignKey("account_groups.aid", ondelete="CASCADE"), primary_key=True),
    Column("network_id", String(12), primary_key=True),
    Column("location", String(255)),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("org_name", String(255)),
)

# SHA-256 of the enrolment IDs of agents whose data was erased: none of them comes back by asking again.
erased_enrolments = Table(
    "erased_enrolments",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
)

# What lets users sign in to the pages: argon2id, which is slow on purpose, for people choose what is guessed.
passwords = Table(
    "user_passwords",
    metadata,
    Column("uid", ForeignKey("users.uid", ondelete="CASCADE"), primary_key=True),
    Column("password_hash", String(255), nullable=False),
    Column("changed_s", Integer, nullable=False),
)

# Who is signed in to the pages. One that a token began ends with it.
browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("session_id", Integer, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("uid", ForeignKey("users.uid", ondelete="CASCADE"), nullable=False),
    Column("token_id", ForeignKey("tokens.token_id", ondelete="CASCADE")),
    Column("created_s", Integer, nullable=False),
    Column("last_seen_s", Integer, nullable=False),
    Column("expires_s", Integer, nullable=False),
    Column("ip_address", String(45)),
    Column("browser", String(255)),
    Index("browser_sessions_by_uid", "uid"),
    Index("browser_sessions_by_token", "token_id"),
    sqlite_autoincrement=True,
)

# Who changed what, when, from where. No foreign keys: events outlive whom they are about.
audit_events = Table(
    "audit_events",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("time_s", Integer, nullable=False),
    Column("org_id", Integer),
    Column("aid", Integer),
    Column("uid", Integer),
    Column("who", String(254), nullable=False),
    Column("ip_address", String(45)),
    Column("event", String(64), nullable=False),
    Column("resources", Text, nullable=False),
    Index("audit_events_by_org", "org_id", "time_s", "event_id"),
    sqlite_autoincrement=True,
)
