-- How often combinations of dimensions were removed. They never change, and new ones get higher numbers than all
-- that are there: while this number is the same, what was read of them holds, and only new ones are read
-- (storage/sqlite_dims.py). There is none, but for one that a kind's tables have left behind when somebody dropped
-- them.
DROP TABLE IF EXISTS {table}_dim_removed;

CREATE TABLE {table}_dim_removed (times INTEGER NOT NULL);

INSERT INTO {table}_dim_removed VALUES (0);

CREATE TRIGGER {table}_dim_removal AFTER DELETE ON {table}_dim
BEGIN
    UPDATE {table}_dim_removed SET times = times + 1;
END;
