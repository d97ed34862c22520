-- One pair of tables for each kind of record; {table} is its name in KINDS.

-- Every combination of dimensions that an account group's records have, once. The columns from agent_id on are
-- the fields of model.dimensions.Dimensions; digest finds a combination whatever in it is NULL.
CREATE TABLE {table}_dim (
    dim INTEGER PRIMARY KEY,
    aid INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    agent_id TEXT NOT NULL,
    destination_ip TEXT,
    visited_site TEXT,
    domain TEXT,
    "trigger" TEXT,
    platform TEXT,
    connection TEXT,
    location TEXT,
    gateway TEXT,
    proxy_target TEXT,
    vpn_target TEXT,
    network_id TEXT,
    ssid TEXT,
    bssid TEXT
);

CREATE INDEX {table}_dim_aid ON {table}_dim (aid);

-- No NOT NULL outside the key: INSERT OR IGNORE would drop such a row and call it a duplicate.
CREATE TABLE {table} (
    aid INTEGER NOT NULL,
    round_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    dim INTEGER REFERENCES {table}_dim,
    loss_percent REAL,
    latency_ms REAL,
    jitter_ms REAL,
    body BLOB,
    PRIMARY KEY (aid, round_id, id)
) WITHOUT ROWID;

-- SQLite appends the rest of the key, id: what a filter finds, it finds here alone.
CREATE INDEX {table}_by_dim ON {table} (aid, dim, round_id);
