-- SHA-256 of the IDs of agents whose records were erased: what is still on its way of theirs is refused. One table
-- for all kinds, which is why it may be there already.
CREATE TABLE IF NOT EXISTS erased_agents (
    digest BLOB PRIMARY KEY
) WITHOUT ROWID;
