-- What charts need of five minutes of an account group's records, packed (storage/sqlite_chunks.py). A row is there
-- from when somebody asks on; packed is NULL until it was made. Whatever changes one of those records deletes the
-- row in the same transaction, and so must a later migration. A mark stands for one state of those records for
-- ever, hence AUTOINCREMENT. The index alone tells the marks of a range: no packed one is read for that.
-- None is there, but for one that a kind's tables have left behind when somebody dropped them.
DROP TABLE IF EXISTS {table}_chunk;

CREATE TABLE {table}_chunk (
    mark INTEGER PRIMARY KEY AUTOINCREMENT,
    aid INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    packed BLOB
);

CREATE UNIQUE INDEX {table}_chunk_by_start ON {table}_chunk (aid, start_s);
