-- only: kinds with a detail

-- What is kept of a record besides its body, apart so that walking pages reads bodies alone. One Zstandard frame
-- each. A row comes with its record, in the same transaction, and goes with it.
CREATE TABLE {table}_detail (
    aid INTEGER NOT NULL,
    round_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    detail BLOB,
    PRIMARY KEY (aid, round_id, id)
) WITHOUT ROWID;
